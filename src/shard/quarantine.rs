//! Rows for what could not be used, kept whole so that nothing is lost.

use base64::Engine;

/// Bytes of a quarantined line that are kept; a longer line is kept up to here and says so.
pub const KEPT: usize = 1 << 20;

/// Appends one quarantine row: `{"shard","line","byte_offset","bytes","reason","raw_base64"}`.
/// `line` counts from 1, `byte_offset` from 0 in the decoded shard; `bytes` is the true length.
pub fn write_row(
    shard: &str,
    line: u64,
    byte_offset: u64,
    bytes: u64,
    reason: &str,
    raw: &[u8],
    out: &mut Vec<u8>,
) {
    let kept = &raw[..raw.len().min(KEPT)];
    let mut row = serde_json::json!({
        "shard": shard,
        "line": line,
        "byte_offset": byte_offset,
        "bytes": bytes,
        "reason": reason,
        "raw_base64": base64::engine::general_purpose::STANDARD.encode(kept),
    });
    if (kept.len() as u64) < bytes {
        row["raw_truncated"] = true.into();
    }
    out.extend_from_slice(row.to_string().as_bytes());
    out.push(b'\n');
}
