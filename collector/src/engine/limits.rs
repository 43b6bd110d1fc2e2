//! How much of a host's output is accepted. Whatever is above is a recorded outcome, never memory.

/// Limits on what one host may send. Defaults are far above what an honest host needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of output of one host, all queries together. 64 MiB.
    pub total_bytes: u64,
    /// Bytes of output of all hosts that are not stored yet; a host below its part of this is never cut for the others. 1 GiB.
    pub waiting_bytes: u64,
    /// Bytes of one line of the probe, or of one array of osqueryi: the answer to one query. 32 MiB.
    pub answer_bytes: usize,
    /// Rows of one query. 200,000.
    pub rows: usize,
    /// Columns of one row. 512.
    pub columns: usize,
    /// Bytes of one cell. 1 MiB.
    pub cell_bytes: usize,
    /// Different lists of columns among the rows of one query. 16.
    pub shapes: usize,
    /// Bytes of what a login prints before our script speaks. 64 KiB.
    pub greeting_bytes: usize,
    /// Bytes of standard error that are kept to explain a failure. 16 KiB.
    pub stderr_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total_bytes: 64 << 20,
            waiting_bytes: 1 << 30,
            answer_bytes: 32 << 20,
            rows: 200_000,
            columns: 512,
            cell_bytes: 1 << 20,
            shapes: 16,
            greeting_bytes: 64 << 10,
            stderr_bytes: 16 << 10,
        }
    }
}
