//! Node-sets: `web[1-40]`, `web[01:40]`, `rack[a:c]-node[1,3,7-9]`, `web[00:10:5]`.

/// No inventory has more hosts than this; a slip of the finger in a range has.
const MOST: usize = 100_000;

/// All names that a pattern stands for, in order.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('[') {
        let (inside, after) =
            after.split_once(']').ok_or_else(|| format!("{pattern:?} has a [ without its ]"))?;
        let parts = parts(inside).map_err(|why| format!("[{inside}] in {pattern:?}: {why}"))?;
        if names.len().saturating_mul(parts.len()) > MOST {
            return Err(format!("{pattern:?} stands for more than {MOST} hosts"));
        }
        names = names
            .iter()
            .flat_map(|name| parts.iter().map(move |part| format!("{name}{before}{part}")))
            .collect();
        rest = after;
    }
    if rest.contains(']') {
        return Err(format!("{pattern:?} has a ] without its ["));
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok(names)
}

fn parts(inside: &str) -> Result<Vec<String>, String> {
    let mut parts = Vec::new();
    for item in inside.split(',') {
        let mut ends = item.split([':', '-']).map(str::trim);
        let (first, last, step) = (ends.next().unwrap_or_default(), ends.next(), ends.next());
        if ends.next().is_some() {
            return Err("a range is first:last or first:last:step".into());
        }
        let step: usize = match step.map(str::parse) {
            None => 1,
            Some(Ok(step)) if step > 0 => step,
            Some(_) => return Err("the step is not a number above 0".into()),
        };
        match last {
            None if !first.is_empty() && first.chars().all(char::is_alphanumeric) => {
                parts.push(first.to_owned())
            }
            None => return Err("neither a range nor a list of names".into()),
            Some(last) => range(first, last, step, &mut parts)?,
        }
        if parts.len() > MOST {
            return Err(format!("more than {MOST} hosts"));
        }
    }
    Ok(parts)
}

fn range(first: &str, last: &str, step: usize, parts: &mut Vec<String>) -> Result<(), String> {
    let wrong = || {
        format!("{first:?} to {last:?} is neither a range of numbers nor of letters, or it runs backwards")
    };
    let letter = |text: &str| {
        let mut chars = text.chars();
        chars.next().filter(|c| c.is_ascii_alphabetic() && chars.next().is_none())
    };
    if let (Some(first), Some(last)) = (letter(first), letter(last)) {
        if first > last {
            return Err(wrong());
        }
        parts.extend((first..=last).step_by(step).map(String::from));
        return Ok(());
    }
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Ansible starts at 0 where the first is left out.
    let start = if first.is_empty() { "0" } else { first };
    if !is_number(start) || !is_number(last) {
        return Err(wrong());
    }
    let (from, to): (u64, u64) = (start.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
    if from > to {
        return Err(wrong());
    }
    if (to - from) / step as u64 >= MOST as u64 {
        return Err(format!("more than {MOST} hosts"));
    }
    // Leading zeros of the first say how wide all are.
    let width = if start.starts_with('0') { start.len() } else { 0 };
    parts.extend((from..=to).step_by(step).map(|n| format!("{n:0width$}")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn ranges_of_both_spellings() {
        let all = |pattern: &str| expand(pattern).unwrap().join(" ");
        assert_eq!(all("web"), "web");
        assert_eq!(all("web[8-11]"), "web8 web9 web10 web11");
        assert_eq!(all("web[008:010].lan"), "web008.lan web009.lan web010.lan");
        assert_eq!(all("r[a:c]n[1,3]"), "ran1 ran3 rbn1 rbn3 rcn1 rcn3");
        assert_eq!(all("w[0:10:5]"), "w0 w5 w10");
        assert_eq!(all("w[1,3-4,x]"), "w1 w3 w4 wx");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for pattern in ["w[1", "w1]", "w[]", "w[5-1]", "w[1-x]", "w[1:2:0]", "w[1:2:3:4]", "w[c:a]", "w[-]"] {
            assert!(expand(pattern).is_err(), "{pattern}");
        }
        assert!(expand("w[1-999999999999]").unwrap_err().contains("more than 100000"));
        assert!(expand("w[1-9999]x[1-9999]").unwrap_err().contains("more than 100000"));
    }
}
