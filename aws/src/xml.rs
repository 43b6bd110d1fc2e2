//! The answers of query services as a small tree: elements with text, no attributes, under limits.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Deeper documents are refused.
const DEEPEST: usize = 32;
/// Documents with more elements are refused.
const MOST: usize = 400_000;

/// An element: its name without a namespace, its text, what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The first child of that name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of that name; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.child(name).map_or("", |child| &child.text)
    }

    /// What is in the list of that name: its `member`s or `item`s.
    pub(crate) fn list(&self, name: &str) -> impl Iterator<Item = &Self> {
        let members = self.child(name).map(|list| list.children.as_slice()).unwrap_or_default();
        members.iter().filter(|child| matches!(child.name.as_str(), "member" | "item"))
    }

    /// The first element of that name, at any depth.
    pub(crate) fn find(&self, name: &str) -> Option<&Self> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }
}

/// Reads a document; gives its root.
pub(crate) fn parse(bytes: &[u8]) -> Result<Element, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    let mut count = 0;
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        let starts = matches!(event, Event::Start(_) | Event::Empty(_));
        if starts {
            count += 1;
            if count > MOST || open.len() > DEEPEST {
                return Err("it is larger than any answer of AWS".to_owned());
            }
        }
        match event {
            Event::Start(start) => open.push(named(start.local_name().as_ref())),
            Event::Empty(start) => {
                let element = named(start.local_name().as_ref());
                if let Some(parent) = open.last_mut() {
                    parent.children.push(element);
                }
            }
            Event::End(_) => close(&mut open),
            Event::Text(text) => {
                let text = text.decode().map_err(|error| error.to_string())?;
                add(&mut open, &text);
            }
            Event::GeneralRef(entity) => {
                let resolved = match entity.resolve_char_ref() {
                    Ok(Some(c)) => c.to_string(),
                    _ => match &*entity as &[u8] {
                        b"amp" => "&".to_owned(),
                        b"lt" => "<".to_owned(),
                        b"gt" => ">".to_owned(),
                        b"quot" => "\"".to_owned(),
                        b"apos" => "'".to_owned(),
                        _ => return Err("it uses an entity that XML does not have".to_owned()),
                    },
                };
                add(&mut open, &resolved);
            }
            Event::CData(text) => add(&mut open, &String::from_utf8_lossy(&text)),
            Event::Eof => break,
            _ => {}
        }
    }
    match open.pop() {
        Some(mut document) if open.is_empty() && document.children.len() == 1 => {
            document.children.pop().ok_or_else(|| "it is empty".to_owned())
        }
        _ => Err("it is not one whole element".to_owned()),
    }
}

fn named(name: &[u8]) -> Element {
    Element { name: String::from_utf8_lossy(name).into_owned(), ..Element::default() }
}

fn close(open: &mut Vec<Element>) {
    if open.len() > 1
        && let Some(mut element) = open.pop()
        && let Some(parent) = open.last_mut()
    {
        element.text = element.text.trim().to_owned();
        parent.children.push(element);
    }
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text += text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_texts_are_found() {
        let document = parse(
            b"<?xml version=\"1.0\"?><R xmlns=\"http://x/\"><A><member><Id>i-1</Id><Z/></member><member><Id>a &lt;&#98;</Id></member></A></R>",
        )
        .unwrap();
        let ids: Vec<_> = document.list("A").map(|member| member.text("Id").to_owned()).collect();
        assert_eq!(ids, ["i-1", "a <b"]);
        assert_eq!(document.text("none"), "");
        assert_eq!(document.find("Id").unwrap().text, "i-1");
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let deep = "<a>".repeat(100);
        for bytes in [&b""[..], b"<a>", b"<a></b>", b"text", b"<a>&evil;</a>", b"\xff", deep.as_bytes()] {
            assert!(parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
