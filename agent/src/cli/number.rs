//! Numbers as people read them.

/// With a space between groups of three: `1 204`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// At most so many, as an argument.
pub fn limit(text: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|_| "it is a number, such as 20".to_owned())
}

/// How many of something: `no bans`, `1 ban`, `1 204 bans`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    match number {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        _ => format!("{} {many}", grouped(number as u64)),
    }
}

/// A size: `812 B`, `1.2 MiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64;
    let mut unit = "";
    for larger in UNITS {
        size /= 1024.0;
        unit = larger;
        if size < 1024.0 {
            break;
        }
    }
    format!("{size:.1} {unit}")
}

/// A rate: `0`, `0.4`, `12.5`, `1 204`.
pub fn rate(per_s: f64) -> String {
    if per_s >= 100.0 {
        grouped(per_s.round() as u64)
    } else if per_s < 0.05 {
        "0".to_owned()
    } else {
        format!("{per_s:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_groups_of_three() {
        let shown = [0, 7, 999, 1000, 88_310, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "7", "999", "1 000", "88 310", "1 234 567"]);
        assert_eq!(grouped(u64::MAX), "18 446 744 073 709 551 615");
    }

    #[test]
    fn counts_agree_with_their_noun() {
        let shown = [0, 1, 2, 1374].map(|number| count(number, "ban", "bans"));
        assert_eq!(shown, ["no bans", "1 ban", "2 bans", "1 374 bans"]);
    }

    #[test]
    fn sizes_have_a_unit() {
        let shown = [0, 1023, 1024, 1_258_291, u64::MAX].map(bytes);
        assert_eq!(
            shown,
            ["0 B", "1023 B", "1.0 KiB", "1.2 MiB", "16777216.0 TiB"]
        );
    }

    #[test]
    fn rates_lose_what_nobody_reads() {
        let shown = [0.0, 0.04, 0.4, 12.49, 1204.4].map(rate);
        assert_eq!(shown, ["0", "0", "0.4", "12.5", "1 204"]);
    }
}
