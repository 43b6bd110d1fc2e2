//! Columns of whole numbers: what is left of each when its best neighbour is taken away, as a number of bits (which
//! compresses) and the bits themselves (which do not).

use super::stream::{BitReader, BitWriter, Input, Output};
use std::io;
use std::ops::Range;

/// The number that a cell is the usual way of writing of: no sign but a minus, no zeros in front.
pub(super) fn parse(cell: &[u8]) -> Option<i64> {
    let digits = cell.strip_prefix(b"-").unwrap_or(cell);
    let usual = match digits {
        [b'0'] => digits.len() == cell.len(),
        [b'1'..=b'9', rest @ ..] => digits.len() <= 19 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !usual {
        return None;
    }
    let mut number = 0i64;
    for digit in digits {
        // Downwards, as there is one more negative number.
        number = number.checked_mul(10)?.checked_sub(i64::from(digit - b'0'))?;
    }
    if digits.len() == cell.len() { number.checked_neg() } else { Some(number) }
}

/// Appends the usual way of writing a number.
pub(super) fn write(number: i64, text: &mut Vec<u8>) {
    if number < 0 {
        text.push(b'-');
    }
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + (rest % 10) as u8;
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    text.extend(digits.get(at..).unwrap_or_default());
}

/// What a number is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Neighbour {
    /// The smallest of all.
    Least = 0,
    /// That of the row before.
    Before = 1,
    /// That of the last row that is alike (on most hosts, that of the host before).
    Alike = 2,
    /// That of the row before, and how the last row that is alike differed from the one before it.
    Slope = 3,
}

const NEIGHBOURS: [Neighbour; 4] = [Neighbour::Least, Neighbour::Before, Neighbour::Alike, Neighbour::Slope];

/// For each row the last one before it that is alike, or [`NONE`].
pub(super) type Alike = [u32];
pub(super) const NONE: u32 = u32::MAX;

/// What the number of a row is expected to be.
fn expected(neighbour: Neighbour, least: i64, numbers: &[i64], row: usize, alike: &Alike) -> i64 {
    let at = |row: usize| numbers.get(row).copied();
    let before = row.checked_sub(1).and_then(at);
    let twin = || alike.get(row).filter(|&&twin| twin != NONE).map(|&twin| twin as usize);
    match neighbour {
        Neighbour::Least => Some(least),
        Neighbour::Before => before,
        Neighbour::Alike => twin().and_then(at).or(before),
        Neighbour::Slope => before.map(|before| {
            let step = twin().and_then(|twin| Some(at(twin)?.wrapping_sub(at(twin.checked_sub(1)?)?)));
            before.wrapping_add(step.unwrap_or(0))
        }),
    }
    .unwrap_or(least)
}

fn fold(difference: i64) -> u64 {
    ((difference << 1) ^ (difference >> 63)) as u64
}

fn unfold(folded: u64) -> i64 {
    (folded >> 1) as i64 ^ -((folded & 1) as i64)
}

/// How many bits the numbers would take, about.
fn cost(neighbour: Neighbour, least: i64, numbers: &[i64], alike: &Alike) -> f64 {
    let mut bits = 0u64;
    let mut lengths = [0u32; 65];
    for (row, &number) in numbers.iter().enumerate() {
        let length = residual(neighbour, least, number, expected(neighbour, least, numbers, row, alike)).1;
        bits += u64::from(length.saturating_sub(1));
        if let Some(count) = lengths.get_mut(length as usize) {
            *count += 1;
        }
    }
    let all = numbers.len() as f64;
    let told = |&count: &u32| f64::from(count) * (all / f64::from(count)).log2();
    bits as f64 + lengths.iter().filter(|&&count| count > 0).map(told).sum::<f64>()
}

/// The difference as a number without sign, and how many bits it has.
fn residual(neighbour: Neighbour, least: i64, number: i64, expected: i64) -> (u64, u32) {
    let difference = match neighbour {
        Neighbour::Least => number.wrapping_sub(least) as u64,
        _ => fold(number.wrapping_sub(expected)),
    };
    (difference, 64 - difference.leading_zeros())
}

/// The neighbour that makes the numbers shortest, and how many bits they would take, about.
fn best(numbers: &[i64], alike: &Alike) -> (f64, Neighbour) {
    let least = numbers.iter().copied().min().unwrap_or(0);
    let choices = if alike.is_empty() { NEIGHBOURS.get(..2).unwrap_or_default() } else { &NEIGHBOURS };
    let costs = choices.iter().map(|&choice| (cost(choice, least, numbers, alike), choice));
    costs.min_by(|(one, _), (other, _)| one.total_cmp(other)).unwrap_or((0.0, Neighbour::Least))
}

/// How many bits these numbers would take, about.
pub(super) fn least_cost(numbers: &[i64], alike: &Alike) -> f64 {
    best(numbers, alike).0
}

/// Writes numbers in the way that takes the least.
pub(in super::super) fn encode(numbers: &[i64], alike: &Alike, output: &mut Output) -> io::Result<()> {
    let least = numbers.iter().copied().min().unwrap_or(0);
    let neighbour = best(numbers, alike).1;

    let mut lengths = Vec::with_capacity(numbers.len());
    let mut bits = BitWriter::default();
    for (row, &number) in numbers.iter().enumerate() {
        let expected = expected(neighbour, least, numbers, row, alike);
        let (difference, length) = residual(neighbour, least, number, expected);
        lengths.push(length as u8);
        // The highest bit is 1 anyway.
        bits.put(difference, length.saturating_sub(1));
    }
    output.number(neighbour as u64);
    output.number(fold(least));
    output.stream(&lengths)?;
    output.stream(&bits.finish())
}

/// Reads so many numbers; of those that are wanted, and where these need others, of all before them. In front stands which is the
/// first that is there.
pub(super) fn decode(
    input: &mut Input<'_>,
    rows: usize,
    alike: &Alike,
    wanted: &Range<usize>,
) -> Option<(usize, Vec<i64>)> {
    let neighbour = *NEIGHBOURS.get(input.count(NEIGHBOURS.len())?)?;
    let least = unfold(input.number()?);
    let lengths = input.stream()?;
    let bits = input.stream()?;
    if lengths.len() != rows {
        return None;
    }
    let first = if neighbour == Neighbour::Least { wanted.start } else { 0 };
    let before: usize =
        lengths.get(..first)?.iter().map(|&length| usize::from(length).saturating_sub(1)).sum();
    let mut bits = BitReader::at(&bits, before)?;
    let lengths = lengths.get(first..wanted.end)?;
    let mut numbers = Vec::with_capacity(lengths.len());
    for (row, &length) in lengths.iter().enumerate() {
        let difference = match u32::from(length) {
            0 => 0,
            length @ 1..=64 => bits.take(length - 1)? | 1 << (length - 1),
            _ => return None,
        };
        numbers.push(match neighbour {
            Neighbour::Least => least.wrapping_add(difference as i64),
            _ => expected(neighbour, least, &numbers, row, alike).wrapping_add(unfold(difference)),
        });
    }
    (wanted.end < rows || bits.is_at_end()).then_some((first, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::codec::Squeezer;
    use proptest::prelude::*;

    #[test]
    fn only_the_usual_way_of_writing_is_a_number() {
        for usual in ["0", "7", "-7", "10", "9223372036854775807", "-9223372036854775808"] {
            let number = parse(usual.as_bytes()).unwrap();
            let mut text = Vec::new();
            write(number, &mut text);
            assert_eq!(text, usual.as_bytes());
        }
        for odd in ["", "-", "-0", "+1", "007", "1.0", " 1", "9223372036854775808", "-9223372036854775809"] {
            assert_eq!(parse(odd.as_bytes()), None, "{odd:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_come_back(
            numbers in proptest::collection::vec(prop_oneof![any::<i64>(), 1000i64..1100], 1..60),
            step in 1usize..9,
            some in (0usize..60, 0usize..60),
        ) {
            let twin = |row: usize| row.checked_sub(step).map_or(NONE, |twin| twin as u32);
            let alike: Vec<u32> = (0..numbers.len()).map(twin).collect();
            for alike in [&[][..], &alike] {
                let mut output = Output::new(&Squeezer::new().unwrap());
                encode(&numbers, alike, &mut output).unwrap();
                let packed = output.packed();
                let mut input = Input::new(&packed.bytes, packed.unpacked as u32);
                prop_assert_eq!(decode(&mut input, numbers.len(), alike, &(0..numbers.len())), Some((0, numbers.clone())));
                prop_assert!(input.is_at_end());
                // Some of them.
                let (from, to) = (some.0.min(numbers.len()), some.1.min(numbers.len()));
                let wanted = from.min(to)..from.max(to);
                let mut input = Input::new(&packed.bytes, packed.unpacked as u32);
                let (first, some) = decode(&mut input, numbers.len(), alike, &wanted).unwrap();
                prop_assert!(first <= wanted.start);
                prop_assert_eq!(&some[..], &numbers[first..wanted.end]);
            }
        }
    }
}
