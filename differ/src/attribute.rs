//! The values that one thing has in one column on different hosts, and how odd each of them is.

use std::collections::BTreeMap;

/// What is known of the values, each looked up in no more than a few steps: a thing can have another one on each of ten thousand hosts.
pub(crate) struct Attribute {
    /// Value and the voices of the hosts that have it, by value.
    voices: Vec<(u32, f64)>,
    /// The voices, ascending, each with the sum of all up to it.
    sums: Vec<(f64, f64)>,
    /// How many bits one of these values has on average.
    usual: f64,
}

impl Attribute {
    /// From the voices of the hosts that have each value; a host with several rows about the thing shares its voice among them.
    pub(crate) fn of(voices: &BTreeMap<u32, f64>) -> Self {
        let mut ascending: Vec<f64> = voices.values().copied().collect();
        ascending.sort_by(f64::total_cmp);
        let mut total = 0.0;
        let sums: Vec<(f64, f64)> = ascending
            .into_iter()
            .map(|voices| {
                total += voices;
                (voices, total)
            })
            .collect();
        let usual = sums.iter().map(|&(voices, _)| voices / total * own(total, voices)).sum();
        Self { voices: voices.iter().map(|(&value, &voices)| (value, voices)).collect(), sums, usual }
    }

    fn voices(&self, value: u32) -> f64 {
        let place = self.voices.binary_search_by_key(&value, |&(value, _)| value).ok();
        place.and_then(|place| self.voices.get(place)).map_or(0.0, |&(_, voices)| voices)
    }

    /// How many hosts have a value as rare as this.
    pub(crate) fn as_rare_as(&self, value: u32) -> f64 {
        let of = self.voices(value);
        let rarer = self.sums.partition_point(|&(voices, _)| voices <= of + 1e-9);
        rarer.checked_sub(1).and_then(|last| self.sums.get(last)).map_or(0.0, |&(_, sum)| sum)
    }

    /// How many bits a value has more than one of these has on average.
    pub(crate) fn beyond_usual(&self, value: u32) -> f64 {
        let total = self.sums.last().map_or(0.0, |&(_, total)| total);
        (own(total, self.voices(value)) - self.usual).max(0.0)
    }
}

/// The bits of something that has so many of all voices.
fn own(total: f64, voices: f64) -> f64 {
    (total / voices.max(1e-9)).log2()
}

#[cfg(test)]
mod tests {
    use super::Attribute;
    use std::collections::BTreeMap;

    #[test]
    fn values_that_are_rare_among_common_ones_are_odd_and_those_that_are_all_rare_are_not() {
        let usual = Attribute::of(&BTreeMap::from([(1, 49.0), (7, 1.0)]));
        assert_eq!((usual.as_rare_as(7), usual.as_rare_as(1), usual.as_rare_as(9)), (1.0, 50.0, 0.0));
        assert!(usual.beyond_usual(7) > 5.0 && usual.beyond_usual(1) == 0.0);
        let own = Attribute::of(&(0..50).map(|value| (value, 1.0)).collect());
        assert_eq!(own.as_rare_as(3), 50.0);
        assert!(own.beyond_usual(3) < 1e-9);
    }
}
