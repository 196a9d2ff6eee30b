//! What a training may take: the smaller of DuckDB's `memory_limit` and what the
//! machine has free.

use footfall::error::Error;

/// Where a limit comes from, and its bytes.
pub struct Limit {
    pub source: &'static str,
    pub bytes: u64,
}

/// The smallest limit that is known; `memory_limit` is DuckDB's setting as text.
///
/// # Errors
/// When the text is not an amount of memory.
pub fn limit(memory_limit: Option<&str>) -> Result<Option<Limit>, Error> {
    let setting = memory_limit.map(parse).transpose()?.map(|bytes| Limit {
        source: "DuckDB's memory_limit",
        bytes,
    });
    let machine = free().map(|bytes| Limit {
        source: "what the machine has free",
        bytes,
    });
    Ok(setting.into_iter().chain(machine).min_by_key(|limit| limit.bytes))
}

/// Bytes that Linux could give to a program without swapping; unknown elsewhere.
fn free() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes * 1024)
}

/// An amount as DuckDB writes and reads it: `18.6 GiB`, `500MB`, `95 bytes`.
fn parse(text: &str) -> Result<u64, Error> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic() || letter == ' ');
    let unit = text[digits.len()..].trim().to_ascii_lowercase();
    let decimal = ["b", "kb", "mb", "gb", "tb", "pb", "eb"]
        .iter()
        .position(|&name| name == unit);
    let binary = ["bytes", "kib", "mib", "gib", "tib", "pib", "eib"]
        .iter()
        .position(|&name| name == unit);
    let factor = match (decimal, binary) {
        (Some(power), _) => 1000f64.powi(power as i32),
        (_, Some(power)) => 1024f64.powi(power as i32),
        _ => 0.0,
    };
    match digits.parse::<f64>() {
        Ok(number) if number >= 0.0 && factor > 0.0 => Ok((number * factor) as u64),
        _ => Err(Error::argument(
            "memory_limit",
            format!("'{text}'"),
            "an amount of memory such as '4GiB' or '500MB'",
        )),
    }
}

/// Bytes for people.
pub fn shown(bytes: u64) -> String {
    match bytes as f64 / f64::from(1 << 20) {
        megabytes if megabytes < 1024.0 => format!("{megabytes:.0} MiB"),
        megabytes => format!("{:.1} GiB", megabytes / 1024.0),
    }
}
