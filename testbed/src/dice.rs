//! Chance that comes out the same for the same seed: on every machine and with every version of every dependency.
//!
//! Decisions are named: `dice.named("web-07").named("pids")` throws independently of all others, so that one more
//! decision somewhere does not change every host of every fleet.

/// A source of reproducible decisions.
#[derive(Clone, Debug)]
pub struct Dice {
    key: [u8; 32],
    state: u64,
}

impl Dice {
    /// The dice of a whole fleet.
    pub fn new(seed: u64) -> Self {
        Self::from_key(*blake3::hash(&seed.to_le_bytes()).as_bytes())
    }

    fn from_key(key: [u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = key;
        Self { key, state: u64::from_le_bytes([a, b, c, d, e, f, g, h]) }
    }

    /// The dice of one named decision. What was thrown before has no influence on them.
    pub fn named(&self, name: &str) -> Self {
        Self::from_key(*blake3::keyed_hash(&self.key, name.as_bytes()).as_bytes())
    }

    /// The dice of one of a row of like decisions.
    pub fn numbered(&self, number: u64) -> Self {
        Self::from_key(*blake3::keyed_hash(&self.key, &number.to_le_bytes()).as_bytes())
    }

    /// Sixty-four random bits (SplitMix64).
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` up to but not including `high`; `low` where the range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low);
        if span == 0 {
            return low;
        }
        // The bias of the remainder is below 2^-30 for every span used here.
        low + self.bits() % span
    }

    /// As [`Dice::between`], for the numbers of processes, ports and users.
    pub fn between_u32(&mut self, low: u32, high: u32) -> u32 {
        u32::try_from(self.between(u64::from(low), u64::from(high))).unwrap_or(low)
    }

    /// As [`Dice::between`], for ports.
    pub fn port(&mut self, low: u16, high: u16) -> u16 {
        u16::try_from(self.between(u64::from(low), u64::from(high))).unwrap_or(low)
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.between(0, 100) < percent
    }

    /// One of several; `None` only of nothing.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(usize::try_from(self.between(0, of.len() as u64)).unwrap_or(0))
    }

    /// Puts them into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.between(0, last as u64 + 1)).unwrap_or(0);
            items.swap(last, other);
        }
    }

    /// That many hexadecimal digits.
    pub fn hex(&mut self, digits: usize) -> String {
        self.text(digits, b"0123456789abcdef")
    }

    /// That many letters and digits, as `mktemp` makes names of.
    pub fn word(&mut self, letters: usize) -> String {
        self.text(letters, b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    }

    fn text(&mut self, length: usize, alphabet: &[u8]) -> String {
        (0..length).filter_map(|_| self.pick(alphabet).copied()).map(char::from).collect()
    }

    /// Thirty-two random bytes, as keys are made of.
    pub fn key(&mut self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&self.bits().to_le_bytes());
        *hasher.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_for_ever() {
        let mut dice = Dice::new(1).named("web-01").named("pids");
        assert_eq!([dice.between(0, 1000), dice.between(0, 1000), dice.between(0, 1000)], PINNED);
    }

    /// Recorded once. Where these change, every fleet ever described by its seed changes too.
    const PINNED: [u64; 3] = [609, 941, 414];

    #[test]
    fn decisions_do_not_disturb_each_other() {
        let mut used = Dice::new(7);
        used.bits();
        assert_eq!(used.named("a").bits(), Dice::new(7).named("a").bits());
        assert_ne!(Dice::new(7).named("a").bits(), Dice::new(7).named("b").bits());
        assert_ne!(Dice::new(7).named("a").bits(), Dice::new(8).named("a").bits());
    }

    #[test]
    fn ranges_are_kept() {
        let mut dice = Dice::new(3);
        assert!((0..1000).all(|_| (5..9).contains(&dice.between(5, 9))));
        assert_eq!(dice.between(4, 4), 4);
        assert_eq!(dice.hex(12).len(), 12);
        assert_eq!(dice.pick::<u8>(&[]), None);
        let mut items = vec![1, 2, 3, 4, 5];
        dice.shuffle(&mut items);
        items.sort();
        assert_eq!(items, [1, 2, 3, 4, 5]);
    }
}
