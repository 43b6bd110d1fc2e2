//! Turns the JSON that osquery accepts into JSON: comment lines and backslash-newlines go.

/// Lines that start with `#` or `//` are comments, and a backslash at the end of a line joins it with the next, also
/// within strings (osquery's `stripConfigComments`).
pub(super) fn to_json(text: &str) -> String {
    let mut json = String::with_capacity(text.len());
    for line in text.lines() {
        let start = line.trim_start();
        if start.starts_with('#') || start.starts_with("//") {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(joined) => json.push_str(joined),
            None => {
                json.push_str(line);
                json.push('\n');
            }
        }
    }
    json
}
