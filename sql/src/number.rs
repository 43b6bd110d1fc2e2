//! Real numbers as SQLite 3.42 prints them: `%!.15g`.

/// The digits that SQLite shows.
const DIGITS: i32 = 15;

/// A real number as text: at most 15 digits, always with a point.
pub fn real_text(value: f64) -> String {
    if value.is_nan() {
        return String::new();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Inf".to_owned() } else { "-Inf".to_owned() };
    }
    if value == 0.0 {
        return "0.0".to_owned();
    }
    // `1.23400000000000e5`: one digit, the point, fourteen digits.
    let scientific = format!("{:.14e}", value.abs());
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    let sign = if value < 0.0 { "-" } else { "" };
    let at = |from: usize, to: usize| -> String {
        (from..to).map(|place| digits.as_bytes().get(place).map_or('0', |byte| char::from(*byte))).collect()
    };
    if !(-4..DIGITS).contains(&exponent) {
        let rest = at(1, digits.len().max(2));
        let mark = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{}.{rest}e{mark}{:02}", at(0, 1), exponent.abs());
    }
    if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = usize::try_from(exponent + 1).unwrap_or(1);
    format!("{sign}{}.{}", at(0, whole), at(whole, digits.len().max(whole + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_numbers_look_as_sqlite_prints_them() {
        for (value, text) in [
            (1.5, "1.5"),
            (0.1 + 0.2, "0.3"),
            (1e300, "1.0e+300"),
            (1e15, "1.0e+15"),
            (1e14, "100000000000000.0"),
            (2.0, "2.0"),
            (-0.0, "0.0"),
            (1.0 / 3.0, "0.333333333333333"),
            (0.0001, "0.0001"),
            (0.000_012_5, "1.25e-05"),
            (-123.456, "-123.456"),
            (f64::INFINITY, "Inf"),
            (999_999_999_999_999.9, "1.0e+15"),
        ] {
            assert_eq!(real_text(value), text, "{value:e}");
        }
    }
}
