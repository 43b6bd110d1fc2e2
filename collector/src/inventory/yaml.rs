//! YAML under limits: a tree of scalars, lists and maps that remembers lines. Aliases are copies, so that a few lines can stand
//! for billions of nodes; therefore nodes are counted, copied ones included.

use super::LineError;
use super::document::Place;
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;
use std::sync::Arc;

/// Nodes of one file, copies included: 20,000 hosts with ten variables each are a tenth of this.
const MOST_NODES: usize = 2_000_000;
/// Inventories nest by groups of groups.
const DEEPEST: usize = 64;

/// A node and its line.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A scalar's text; `None` for null.
    Text(Option<String>),
    List(Arc<Vec<Node>>),
    /// Keys are texts here; in the order of the file.
    Map(Arc<Vec<(String, Node)>>),
}

impl Node {
    /// The entries of a map; of null, none.
    pub(super) fn map(&self, what: &str) -> Result<&[(String, Node)], LineError> {
        match &self.value {
            Value::Map(map) => Ok(map),
            Value::Text(None) => Ok(&[]),
            _ => Err(LineError::new(self.place, format!("{what} must be a map: names, each with a colon"))),
        }
    }

    /// A scalar as Ansible would write it into a variable.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text.as_deref().unwrap_or_default()),
            _ => None,
        }
    }
}

/// What is open while events come in.
enum Open {
    List(Place, usize, Vec<Node>),
    Map(Place, usize, Vec<(String, Node)>, Option<String>),
}

/// The first document of a text.
pub(super) fn read(file: usize, text: &str) -> Result<Node, LineError> {
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, (Node, usize)> = HashMap::new();
    let mut nodes = 0usize;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            LineError::new(Place::new(file, error.marker().line()), format!("not YAML: {}", error.info()))
        })?;
        let place = Place::new(file, span.start.line());
        let fail = |why: String| LineError::new(place, why);
        let (node, anchor, size) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let null = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = Value::Text((!null).then(|| text.into_owned()));
                (Node { place, value }, anchor, 1)
            }
            Event::Alias(anchor) => {
                let (node, size) = anchors
                    .get(&anchor)
                    .cloned()
                    .ok_or_else(|| fail("an alias without its anchor".into()))?;
                (node, 0, size)
            }
            Event::SequenceStart(anchor, _) => {
                open.push(Open::List(place, anchor, Vec::new()));
                (Node { place, value: Value::Text(None) }, 0, 0)
            }
            Event::MappingStart(anchor, _) => {
                open.push(Open::Map(place, anchor, Vec::new(), None));
                (Node { place, value: Value::Text(None) }, 0, 0)
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(place, anchor, list)) => {
                    (Node { place, value: Value::List(Arc::new(list)) }, anchor, 1)
                }
                Some(Open::Map(place, anchor, map, _)) => {
                    (Node { place, value: Value::Map(Arc::new(map)) }, anchor, 1)
                }
                None => return Err(fail("it ends what was not begun".into())),
            },
            Event::DocumentEnd => break,
            _ => continue,
        };
        if open.len() > DEEPEST {
            return Err(fail(format!("nested deeper than {DEEPEST}")));
        }
        nodes = nodes.saturating_add(size);
        if nodes > MOST_NODES {
            return Err(fail(format!("more than {MOST_NODES} nodes, aliases included")));
        }
        if size == 0 {
            continue;
        }
        if anchor != 0 {
            let size = weight(&node, 0);
            anchors.insert(anchor, (node.clone(), size));
        }
        match open.last_mut() {
            None => return Ok(node),
            Some(Open::List(_, _, list)) => list.push(node),
            Some(Open::Map(_, _, map, key)) => match key.take() {
                None => {
                    let text = node.text().ok_or_else(|| fail("a key must be a plain word".into()))?;
                    *key = Some(text.to_owned());
                }
                Some(name) if name == "<<" => merge(map, &node),
                Some(name) => map.push((name, node)),
            },
        }
    }
    Ok(Node { place: Place::new(file, 1), value: Value::Text(None) })
}

/// `<<: *defaults`: what the map has itself counts more.
fn merge(map: &mut Vec<(String, Node)>, from: &Node) {
    match &from.value {
        Value::Map(more) => {
            let new: Vec<_> =
                more.iter().filter(|(name, _)| map.iter().all(|(own, _)| own != name)).cloned().collect();
            map.extend(new);
        }
        Value::List(list) => list.iter().for_each(|node| merge(map, node)),
        Value::Text(_) => {}
    }
}

/// How many nodes there are below, as far as it matters.
fn weight(node: &Node, so_far: usize) -> usize {
    if so_far > MOST_NODES {
        return so_far;
    }
    match &node.value {
        Value::Text(_) => so_far + 1,
        Value::List(list) => list.iter().fold(so_far + 1, |sum, node| weight(node, sum)),
        Value::Map(map) => map.iter().fold(so_far + 1, |sum, (_, node)| weight(node, sum)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(node: &Node) -> String {
        match &node.value {
            Value::Text(None) => "null".into(),
            Value::Text(Some(text)) => format!("{text:?}"),
            Value::List(list) => format!("[{}]", list.iter().map(show).collect::<Vec<_>>().join(" ")),
            Value::Map(map) => {
                let entries: Vec<_> =
                    map.iter().map(|(name, node)| format!("{name}={}", show(node))).collect();
                format!("{{{}}}", entries.join(" "))
            }
        }
    }

    #[test]
    fn scalars_lists_maps_and_aliases() {
        let text =
            "---\nall: &x\n  hosts:\n    web-1: {port: 022, who: '~'}\n    web-2:\nlist: [a, *x]\n# end\n";
        let tree = show(&read(0, text).unwrap());
        let all = r#"{hosts={web-1={port="022" who="~"} web-2=null}}"#;
        assert_eq!(tree, format!("{{all={all} list=[\"a\" {all}]}}"));
        assert_eq!(
            show(&read(0, "a: &d {x: 1, y: 2}\nb:\n  <<: *d\n  z: 3\n").unwrap()),
            r#"{a={x="1" y="2"} b={x="1" y="2" z="3"}}"#
        );
        assert_eq!(show(&read(0, "").unwrap()), "null");
        assert_eq!(show(&read(0, "{\"a\": [\"b\"]}").unwrap()), r#"{a=["b"]}"#);
    }

    #[test]
    fn bombs_do_not_go_off() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            let before = format!("*a{}", n - 1);
            bomb += &format!("a{n}: &a{n} [{}]\n", vec![before; 10].join(", "));
        }
        let start = std::time::Instant::now();
        let error = read(0, &bomb).unwrap_err();
        assert!(error.why.contains("aliases included"), "{}", error.why);
        assert!(start.elapsed().as_secs() < 5);
        assert!(read(0, &"[".repeat(100_000)).is_err());
        assert!(read(0, &format!("{}x", "- ".repeat(1000))).unwrap_err().why.contains("nested"));
    }

    #[test]
    fn what_is_no_yaml_is_said_with_its_line() {
        let error = read(0, "a: b\nc: [d\ne: 'f\n").unwrap_err();
        assert!(error.why.starts_with("not YAML: ") && error.place.line >= 2, "{error:?}");
        assert!(read(0, "? [a]\n: b\n").unwrap_err().why.contains("key"));
        assert!(read(0, "a: *nobody\n").is_err());
    }
}
