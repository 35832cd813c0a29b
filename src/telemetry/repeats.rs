//! Log lines for events that a peer can repeat at will: the first ones are written, further ones counted, and the count is
//! written with the next line.

use std::time::{Duration, Instant};

/// Lines that are written at once, in each [`WINDOW`].
const BURST: u32 = 5;
const WINDOW: Duration = Duration::from_mins(1);

/// One kind of event. Pure: the moment is passed in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Repeats {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

// ===== impl Repeats =====

impl Repeats {
    /// It happened. Returns how many lines were left out before, where this one is to be written.
    pub fn note(&mut self, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            (self.since, self.written) = (Some(now), 0);
        }
        if self.written >= BURST {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_summed_up() {
        let (mut repeats, begun) = (Repeats::default(), Instant::now());
        let mut lines = Vec::new();
        for i in 0..400_000_u32 {
            lines.extend(repeats.note(begun + Duration::from_micros(50) * i));
        }
        assert_eq!(lines, [0; 5], "20 s at full speed");
        assert_eq!(repeats.note(begun + WINDOW), Some(399_995));
        assert_eq!(repeats.note(begun + WINDOW * 3), Some(0));
    }
}
