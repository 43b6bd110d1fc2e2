//! `system_info`: the machine and its name.

use std::collections::BTreeSet;

use crate::host::Host;
use crate::tables::{Failure, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "system_info",
    about: "The machine: its name, processor, memory, maker.",
    sources: "/proc/sys/kernel/hostname, /etc/hostname, /proc/cpuinfo, /proc/meminfo, /sys/class/dmi/id",
    differences: "`computer_name` and `local_hostname` are the host name: no resolver is asked. Of a tree without \
                  /proc only the names are known.",
    columns: &[
        text("hostname"),
        text("uuid"),
        text("cpu_type"),
        text("cpu_subtype"),
        text("cpu_brand"),
        integer("cpu_physical_cores"),
        integer("cpu_logical_cores"),
        integer("cpu_sockets"),
        text("cpu_microcode"),
        bigint("physical_memory"),
        text("hardware_vendor"),
        text("hardware_model"),
        text("hardware_version"),
        text("hardware_serial"),
        text("board_vendor"),
        text("board_model"),
        text("board_version"),
        text("board_serial"),
        text("computer_name"),
        text("local_hostname"),
        text("emulated_cpu_type").hidden().absent(),
    ],
    per_user: false,
    rows,
};

/// What `/proc/cpuinfo` says of all processors together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Processors {
    pub(crate) brand: String,
    pub(crate) model: String,
    pub(crate) microcode: String,
    pub(crate) logical: usize,
    pub(crate) physical: usize,
    pub(crate) sockets: usize,
}

/// Reads `/proc/cpuinfo`.
pub(crate) fn processors(content: &str) -> Processors {
    let mut found = Processors::default();
    let mut cores = BTreeSet::new();
    let mut sockets = BTreeSet::new();
    let mut socket = String::new();
    for line in content.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let (key, value) = (key.trim(), value.trim());
        match key {
            "processor" => found.logical += 1,
            "model name" | "Processor" | "cpu model" if found.brand.is_empty() => {
                found.brand = value.to_owned()
            }
            "model" if found.model.is_empty() => found.model = value.to_owned(),
            "microcode" if found.microcode.is_empty() => found.microcode = value.to_owned(),
            "physical id" => {
                socket = value.to_owned();
                sockets.insert(socket.clone());
            }
            "core id" => {
                cores.insert((socket.clone(), value.to_owned()));
            }
            _ => {}
        }
    }
    found.physical = if cores.is_empty() { found.logical } else { cores.len() };
    found.sockets = sockets.len().max(usize::from(found.logical > 0));
    found
}

/// The host's own name.
pub(crate) fn host_name(host: &Host) -> String {
    let name = host.read_line("/proc/sys/kernel/hostname").filter(|name| !name.is_empty());
    let from_file = || {
        let content = host.read("/etc/hostname")?;
        let content = String::from_utf8_lossy(&content).into_owned();
        content
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
    };
    name.or_else(from_file).unwrap_or_default()
}

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let host = &scan.host;
    let name = host_name(host);
    let kernel = host.kernel().is_ok();
    let cpu = if kernel {
        processors(&String::from_utf8_lossy(&host.read("/proc/cpuinfo").unwrap_or_default()))
    } else {
        Processors::default()
    };
    let memory = host.read("/proc/meminfo").and_then(|content| {
        let content = String::from_utf8_lossy(&content).into_owned();
        let line = content.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().trim_end_matches("kB").trim().parse::<i64>().ok()?.checked_mul(1024)
    });
    let dmi = |what: &str| host.read_line(&format!("/sys/class/dmi/id/{what}")).unwrap_or_default();
    let uuid = Some(dmi("product_uuid")).filter(|uuid| !uuid.is_empty());
    // A machine without the firmware's tables still has an identity of its own.
    let uuid = uuid.or_else(|| host.read_line("/etc/machine-id").map(|id| dashed(&id))).unwrap_or_default();
    let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
    Ok(all(vec![row![
        &name,
        uuid,
        kernel.then_some(machine),
        cpu.model,
        cpu.brand,
        kernel.then_some(cpu.physical),
        kernel.then_some(cpu.logical),
        kernel.then_some(cpu.sockets),
        cpu.microcode,
        memory,
        dmi("sys_vendor"),
        dmi("product_name"),
        dmi("product_version"),
        dmi("product_serial"),
        dmi("board_vendor"),
        dmi("board_name"),
        dmi("board_version"),
        dmi("board_serial"),
        &name,
        &name,
        ""
    ]]))
}

/// `0123…` as `01234567-89ab-…`.
fn dashed(id: &str) -> String {
    let mut out = String::with_capacity(36);
    for (place, digit) in id.chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted() {
        let one = "processor\t: 0\nmodel\t: 17\nmodel name\t: X\nphysical id\t: 0\ncore id\t: 0\n\n";
        let two =
            "processor\t: 1\nphysical id\t: 0\ncore id\t: 0\n\nprocessor : 2\nphysical id : 1\ncore id : 0\n";
        let found = processors(&format!("{one}{two}"));
        assert_eq!((found.logical, found.physical, found.sockets), (3, 2, 2));
        assert_eq!(found.brand, "X");
    }
}
