//! Cuts a stream into lines without ever holding more than one of them, nor a longer one than the limit.

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A line, without its end.
    Whole(&'a [u8]),
    /// A line that is longer than the limit; what it says is gone.
    TooLong,
}

/// A line that has begun.
#[derive(Debug)]
pub(crate) struct Lines {
    begun: Vec<u8>,
    limit: usize,
    skipping: bool,
}

impl Lines {
    pub(crate) fn new(limit: usize) -> Self {
        Self { begun: Vec::new(), limit, skipping: false }
    }

    /// From now on lines may be this long.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Calls `each` for every line that ends in `chunk`; the rest is kept as the beginning of the next. A line that is
    /// too long is told as soon as it is, and what follows of it is skipped.
    pub(crate) fn push<E>(
        &mut self,
        mut chunk: &[u8],
        mut each: impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !chunk.is_empty() {
            let end = memchr::memchr(b'\n', chunk);
            let (head, rest) = chunk.split_at_checked(end.unwrap_or(chunk.len())).unwrap_or((chunk, &[]));
            chunk = rest.get(1..).unwrap_or_default();
            if self.skipping {
                self.skipping = end.is_none();
            } else if self.begun.len() + head.len() > self.limit {
                self.skipping = end.is_none();
                self.begun = Vec::new();
                each(Line::TooLong)?;
            } else if end.is_none() {
                self.begun.extend_from_slice(head);
            } else if self.begun.is_empty() {
                each(Line::Whole(head))?;
            } else {
                self.begun.extend_from_slice(head);
                let line = std::mem::take(&mut self.begun);
                each(Line::Whole(&line))?;
            }
        }
        Ok(())
    }

    /// The line that never ended.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn all(limit: usize, chunks: &[&[u8]]) -> (Vec<String>, String) {
        let mut lines = Lines::new(limit);
        let mut seen = Vec::new();
        for chunk in chunks {
            let each = |line: Line<'_>| {
                seen.push(match line {
                    Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                    Line::TooLong => "TOO LONG".to_owned(),
                });
                Ok::<(), Infallible>(())
            };
            lines.push(chunk, each).unwrap();
        }
        (seen, String::from_utf8_lossy(lines.rest()).into_owned())
    }

    #[test]
    fn lines_are_put_together_across_chunks() {
        assert_eq!(
            all(99, &[b"a\nb", b"c", b"\n\nd"]),
            (vec!["a".into(), "bc".into(), "".into()], "d".into())
        );
    }

    #[test]
    fn a_long_line_is_told_once_and_costs_no_memory() {
        let (seen, rest) = all(3, &[b"abcd", b"efgh", b"i\nok\n", b"x", b"yzz\nok\nlonger\n"]);
        assert_eq!(seen, ["TOO LONG", "ok", "TOO LONG", "ok", "TOO LONG"]);
        assert_eq!(rest, "");
    }

    proptest! {
        #[test]
        fn how_it_is_cut_into_chunks_does_not_matter(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), any::<u8>()], 0..80),
            cuts in proptest::collection::vec(1usize..20, 0..20),
            limit in 0usize..12,
        ) {
            let mut chunks = Vec::new();
            let mut rest = bytes.as_slice();
            for cut in cuts {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                chunks.push(head);
                rest = tail;
            }
            chunks.push(rest);
            prop_assert_eq!(all(limit, &chunks), all(limit, &[&bytes]));
        }
    }
}
