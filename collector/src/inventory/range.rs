//! Names that stand for many: `web[01:40]`, `rack[a:f]-[1-4]`, `db[1,3,7-9]`.

use super::MOST_HOSTS;

/// All the names that a pattern stands for, in order. Without brackets, the pattern itself. Brackets that hold no range
/// (an IPv6 address, as in `[::1]:22`) are left as they are.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, inside, after)) = next_range(rest) {
        let values = values(inside)?;
        if names.len().saturating_mul(values.len()) > MOST_HOSTS {
            return Err(format!("{pattern} stands for more than {MOST_HOSTS} hosts"));
        }
        let longer = |name: &String| -> Vec<String> {
            values.iter().map(|value| format!("{name}{before}{value}")).collect()
        };
        names = names.iter().flat_map(longer).collect();
        rest = after;
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok(names)
}

/// The text before the first range, what is in its brackets, and the text after it.
fn next_range(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let (before, rest) = text.get(from..)?.split_once('[')?;
        let (inside, after) = rest.split_once(']')?;
        if is_range(inside) {
            return Some((text.get(..from + before.len())?, inside, after));
        }
        from += before.len() + 1 + inside.len() + 1;
    }
}

/// Digits or letters with `:`, `-` and `,` between them. An address has two colons in a row or more than two of them.
fn is_range(inside: &str) -> bool {
    let part = |part: &str| {
        let mut ends = part.split([':', '-']);
        let (first, last, step) = (ends.next(), ends.next(), ends.next());
        let counts = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let letter = |text: &str| text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        ends.next().is_none()
            && step.is_none_or(counts)
            && match (first, last) {
                (Some(first), Some(last)) => {
                    (counts(first) && counts(last)) || (letter(first) && letter(last))
                }
                (Some(first), None) => counts(first),
                _ => false,
            }
    };
    !inside.is_empty() && inside.split(',').all(part)
}

fn values(inside: &str) -> Result<Vec<String>, String> {
    let mut values = Vec::new();
    for part in inside.split(',') {
        let mut ends = part.split([':', '-']);
        let first = ends.next().unwrap_or_default();
        let last = ends.next().unwrap_or(first);
        let step: usize = ends
            .next()
            .map_or(Ok(1), str::parse)
            .map_err(|_| format!("the step of [{inside}] is too large"))?;
        if step == 0 {
            return Err(format!("the step of [{inside}] is 0"));
        }
        if let (Ok(from), Ok(to)) = (first.parse::<u64>(), last.parse::<u64>()) {
            check(from <= to, to.saturating_sub(from), inside)?;
            // A leading zero asks for as many digits as there are.
            let digits = if first.starts_with('0') { first.len() } else { 0 };
            values.extend((from..=to).step_by(step).map(|number| format!("{number:0digits$}")));
        } else if let ([from], [to]) = (first.as_bytes(), last.as_bytes()) {
            check(from <= to, 0, inside)?;
            values.extend((*from..=*to).step_by(step).map(|letter| char::from(letter).to_string()));
        } else {
            return Err(format!("the numbers of [{inside}] are too large"));
        }
    }
    Ok(values)
}

fn check(ascends: bool, size: u64, inside: &str) -> Result<(), String> {
    match (ascends, size < MOST_HOSTS as u64) {
        (false, _) => Err(format!("the range [{inside}] runs backwards")),
        (_, false) => Err(format!("the range [{inside}] stands for more than {MOST_HOSTS} hosts")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn ranges_stand_for_names() {
        assert_eq!(expand("web[08:10]").unwrap(), ["web08", "web09", "web10"]);
        assert_eq!(expand("web[8-10].x").unwrap(), ["web8.x", "web9.x", "web10.x"]);
        assert_eq!(
            expand("r[a:c]n[1,5-6]").unwrap(),
            ["ran1", "ran5", "ran6", "rbn1", "rbn5", "rbn6", "rcn1", "rcn5", "rcn6"]
        );
        assert_eq!(expand("db[1:9:4]").unwrap(), ["db1", "db5", "db9"]);
        assert_eq!(expand("plain-01").unwrap(), ["plain-01"]);
        assert_eq!(expand("[::1]:22").unwrap(), ["[::1]:22"]);
        assert_eq!(expand("[fe80::a:b]").unwrap(), ["[fe80::a:b]"]);
    }

    #[test]
    fn impossible_ranges_are_refused() {
        assert!(expand("web[9:1]").unwrap_err().contains("backwards"));
        assert!(expand("web[1:999999999]").unwrap_err().contains("more than 100000"));
        assert!(expand("web[1:99999][1:99999]").unwrap_err().contains("more than 100000"));
        assert!(expand("web[1:99999999999999999999999]").unwrap_err().contains("too large"));
        assert!(expand("web[1:5:0]").unwrap_err().contains("step"));
    }
}
