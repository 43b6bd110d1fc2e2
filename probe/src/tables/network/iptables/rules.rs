//! The rules of a table as the kernel hands them out: entries of different length, one after the other.
//!
//! The layout is that of `struct ipt_entry` and `struct xt_entry_target` on systems of 64 bits. A chain of the user
//! begins with an entry whose target is called `ERROR` and carries the chain's name; chains of the kernel begin at
//! the offsets of its hooks. The last entry of a chain is its policy, or the way back.

use std::net::Ipv4Addr;

const HOOKS: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
/// Before the matches of an entry.
const ENTRY: usize = 112;
/// Before the data of a match or a target.
const PART: usize = 32;
const NAME: usize = 29;
const MAX_ENTRIES: usize = 1_000_000;

const INVERT_IN: u8 = 0x01;
const INVERT_OUT: u8 = 0x02;
const INVERT_SOURCE: u8 = 0x08;
const INVERT_DESTINATION: u8 = 0x10;
const INVERT_PROTOCOL: u8 = 0x40;

/// A chain with its rules.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) name: Vec<u8>,
    /// `ACCEPT` or `DROP`, with how many packets and bytes it met; only chains of the kernel have one.
    pub(crate) policy: Option<(String, u64, u64)>,
    pub(crate) rules: Vec<Rule>,
}

/// A rule. What it is turned around by `!` begins with one, which osquery does not show.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) target: Vec<u8>,
    /// Negative when the rule is for all protocols but this one.
    pub(crate) protocol: i32,
    pub(crate) source: (String, String),
    pub(crate) destination: (String, String),
    pub(crate) incoming: (Vec<u8>, String),
    pub(crate) outgoing: (Vec<u8>, String),
    pub(crate) source_ports: String,
    pub(crate) destination_ports: String,
}

struct Entry<'a> {
    offset: usize,
    bytes: &'a [u8],
    target_offset: usize,
}

/// The chains of a table. The second value is false when something did not fit together and rules may be missing.
pub(crate) fn chains(info: &[u8], table: &[u8]) -> (Vec<Chain>, bool) {
    let (entries, whole) = entries(table);
    let hooks = number(info, 32).unwrap_or(0);
    let begins = |offset: usize| {
        let hook = |place: &usize| {
            let valid = hooks & (1 << place) != 0;
            valid && number(info, 36 + 4 * place).is_some_and(|at| at as usize == offset)
        };
        (0..HOOKS.len()).find(hook).and_then(|place| HOOKS.get(place)).map(|name| name.as_bytes().to_vec())
    };
    let mut named: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut chains: Vec<Chain> = Vec::new();
    // The rule before is only a rule when another one follows in the same chain: the last is the policy.
    let mut pending: Option<&Entry<'_>> = None;
    let mut built_in = false;
    for entry in &entries {
        let begun = begins(entry.offset).map(|name| (name, true));
        let user = chain_name(entry).map(|name| (name, false));
        let Some((name, of_the_kernel)) = user.or(begun) else {
            push_rule(&mut chains, pending.replace(entry));
            continue;
        };
        end_chain(&mut chains, pending.take(), built_in);
        built_in = of_the_kernel;
        // The last entry of all is called ERROR and begins nothing.
        let end = name == b"ERROR" && entry.offset + entry.bytes.len() >= table.len();
        if of_the_kernel {
            pending = Some(entry);
        } else {
            named.push((entry.offset + entry.bytes.len(), name.clone()));
        }
        if !end {
            chains.push(Chain { name, ..Chain::default() });
        }
    }
    end_chain(&mut chains, pending, built_in);
    for chain in &mut chains {
        for rule in &mut chain.rules {
            name_jump(&mut rule.target, &named);
        }
    }
    (chains, whole)
}

fn push_rule(chains: &mut [Chain], entry: Option<&Entry<'_>>) {
    if let (Some(chain), Some(entry)) = (chains.last_mut(), entry) {
        chain.rules.push(rule(entry));
    }
}

fn end_chain(chains: &mut [Chain], last: Option<&Entry<'_>>, built_in: bool) {
    if let (Some(chain), Some(entry), true) = (chains.last_mut(), last, built_in) {
        let policy = String::from_utf8_lossy(&target(entry)).into_owned();
        let count = |at: usize| {
            let bytes = entry.bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u64::from_ne_bytes)
        };
        chain.policy = Some((policy, count(96), count(104)));
    }
}

fn entries(table: &[u8]) -> (Vec<Entry<'_>>, bool) {
    let mut found = Vec::new();
    let mut offset = 0;
    while offset < table.len() {
        let entry = (|| {
            let rest = table.get(offset..)?;
            let target_offset = usize::from(short(rest, 88)?);
            let length = usize::from(short(rest, 90)?);
            let fits = target_offset >= ENTRY && length >= target_offset + PART;
            Some(Entry { offset, bytes: rest.get(..length).filter(|_| fits)?, target_offset })
        })();
        let Some(entry) = entry.filter(|_| found.len() < MAX_ENTRIES) else { return (found, false) };
        offset += entry.bytes.len();
        found.push(entry);
    }
    (found, true)
}

fn part<'a>(entry: &Entry<'a>, at: usize) -> Option<(&'a [u8], &'a [u8])> {
    let length = usize::from(short(entry.bytes, at)?);
    let bytes = entry.bytes.get(at..at.checked_add(length)?)?;
    let name = bytes.get(2..2 + NAME)?;
    Some((until_nul(name), bytes.get(PART..)?))
}

/// The name of the chain that begins with this entry.
fn chain_name(entry: &Entry<'_>) -> Option<Vec<u8>> {
    let (name, data) = part(entry, entry.target_offset)?;
    (name == b"ERROR").then(|| until_nul(data).to_vec())
}

/// What becomes of a packet: the name of the target; a verdict; or `\0` and the offset that it jumps to.
fn target(entry: &Entry<'_>) -> Vec<u8> {
    let Some((name, data)) = part(entry, entry.target_offset) else { return Vec::new() };
    if !name.is_empty() {
        return name.to_vec();
    }
    let verdict = number(data, 0).unwrap_or(0) as i32;
    match verdict {
        -1 => b"DROP".to_vec(),
        -2 => b"ACCEPT".to_vec(),
        -4 => b"QUEUE".to_vec(),
        -5 => b"RETURN".to_vec(),
        // On to the next rule: it only counts.
        next if usize::try_from(next).is_ok_and(|next| next == entry.offset + entry.bytes.len()) => {
            Vec::new()
        }
        jump => format!("\0{jump}").into_bytes(),
    }
}

fn name_jump(target: &mut Vec<u8>, named: &[(usize, Vec<u8>)]) {
    let Some(offset) = target.strip_prefix(b"\0") else { return };
    let offset = std::str::from_utf8(offset).ok().and_then(|offset| offset.parse::<usize>().ok());
    let chain = named.iter().find(|(begin, _)| Some(*begin) == offset);
    *target = chain.map(|(_, name)| name.clone()).unwrap_or_default();
}

fn rule(entry: &Entry<'_>) -> Rule {
    let bytes = entry.bytes;
    let inverted = bytes.get(83).copied().unwrap_or(0);
    let not = |flag: u8| if inverted & flag == 0 { "" } else { "!" };
    let address = |at: usize| {
        let bytes: [u8; 4] =
            bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
        Ipv4Addr::from(bytes).to_string()
    };
    let interface = |name: usize, mask: usize, flag: u8| {
        let name = until_nul(bytes.get(name..name + 16).unwrap_or_default());
        let name = if name.is_empty() { b"all".as_slice() } else { name };
        let mask = bytes.get(mask..mask + 16).unwrap_or_default().iter().take_while(|byte| **byte != 0);
        ([not(flag).as_bytes(), name].concat(), mask.map(|byte| format!("{byte:02X}")).collect())
    };
    let protocol = i32::from(short(bytes, 80).unwrap_or(0));
    let (source_ports, destination_ports) = ports(entry);
    Rule {
        target: target(entry),
        protocol: if inverted & INVERT_PROTOCOL == 0 { protocol } else { -protocol },
        source: (format!("{}{}", not(INVERT_SOURCE), address(0)), address(8)),
        destination: (format!("{}{}", not(INVERT_DESTINATION), address(4)), address(12)),
        incoming: interface(16, 48, INVERT_IN),
        outgoing: interface(32, 64, INVERT_OUT),
        source_ports,
        destination_ports,
    }
}

/// The ports of the matches `tcp` and `udp`: source from and to, destination from and to, then what is inverted.
fn ports(entry: &Entry<'_>) -> (String, String) {
    let mut at = ENTRY;
    while at < entry.target_offset {
        let Some((name, data)) = part(entry, at) else { break };
        let flags = match name {
            b"tcp" => data.get(11),
            b"udp" => data.get(8),
            _ => None,
        };
        if let Some(flags) = flags {
            let port = |at: usize| short(data, at).unwrap_or(0);
            let range = |at: usize, flag: u8| {
                format!("{}{}:{}", if flags & flag == 0 { "" } else { "!" }, port(at), port(at + 2))
            };
            return (range(0, 1), range(4, 2));
        }
        at += PART + data.len();
    }
    (String::new(), String::new())
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(target: &[u8], data: &[u8], packets: u64) -> Vec<u8> {
        let mut bytes = vec![0_u8; ENTRY];
        let length = ENTRY + PART + data.len().next_multiple_of(8);
        bytes[88..90].copy_from_slice(&(ENTRY as u16).to_ne_bytes());
        bytes[90..92].copy_from_slice(&(length as u16).to_ne_bytes());
        bytes[96..104].copy_from_slice(&packets.to_ne_bytes());
        bytes.extend_from_slice(&((length - ENTRY) as u16).to_ne_bytes());
        bytes.extend_from_slice(target);
        bytes.resize(ENTRY + PART, 0);
        bytes.extend_from_slice(data);
        bytes.resize(length, 0);
        bytes
    }

    /// One chain of the kernel (INPUT) with a jump, and one of the user with the way back.
    fn table() -> (Vec<u8>, Vec<u8>) {
        let mut info = vec![0_u8; 84];
        info[32..36].copy_from_slice(&2_u32.to_ne_bytes());
        let accept = entry(b"", &(-2_i32).to_ne_bytes(), 7);
        let jump_to = 3 * accept.len() - 8 + PART;
        let mut table = entry(b"", &(jump_to as i32).to_ne_bytes(), 1);
        table.extend(accept);
        let head = entry(b"ERROR", b"EVIL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 0);
        assert_eq!(jump_to, table.len() + head.len(), "the jump leads behind the name");
        table.extend(head);
        table.extend(entry(b"LOG", b"", 0));
        table.extend(entry(b"", &(-5_i32).to_ne_bytes(), 0));
        table.extend(entry(b"ERROR", b"ERROR\0\0\0", 0));
        (info, table)
    }

    #[test]
    fn chains_begin_and_end_where_they_should() {
        let (info, table) = table();
        let (chains, whole) = chains(&info, &table);
        assert!(whole);
        let names: Vec<_> = chains.iter().map(|chain| chain.name.as_slice()).collect();
        assert_eq!(names, [b"INPUT".as_slice(), b"EVIL"]);
        assert_eq!(chains[0].policy, Some(("ACCEPT".to_owned(), 7, 0)));
        assert_eq!(chains[0].rules.len(), 1);
        assert_eq!(chains[0].rules[0].target, b"EVIL");
        assert_eq!(
            (chains[1].policy.as_ref(), chains[1].rules[0].target.as_slice()),
            (None, b"LOG".as_slice())
        );
    }

    #[test]
    fn what_does_not_fit_together_is_said() {
        let (info, mut bytes) = table();
        bytes.truncate(200);
        assert!(!chains(&info, &bytes).1);
        assert_eq!(chains(&[], &[]), (vec![], true));
        assert!(!chains(&[255; 84], &[255; 300]).1);
    }
}
