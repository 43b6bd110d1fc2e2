//! `load_average`, `cpu_info` and `ulimit_info`: what the machine has and gives.

use rustix::process::{Resource, getrlimit};

use super::smbios;
use super::system_info::processors;
use crate::host::Host;
use crate::restraint::core_limit;
use crate::tables::{Cell, Failure, Row, Rows, Scan, Table, all, integer, note_malformed, row, text};

pub(crate) static LOAD_AVERAGE: Table = Table {
    name: "load_average",
    about: "Processes that run or wait, over the last minutes.",
    sources: "/proc/loadavg",
    differences: "",
    columns: &[text("period"), text("average")],
    per_user: false,
    rows: load_average,
};

fn load_average(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let line = scan.host.read_line("/proc/loadavg").unwrap_or_default();
    let averages = line.split_ascii_whitespace().map(|word| word.parse::<f64>().unwrap_or(0.0));
    let periods = ["1m", "5m", "15m"];
    Ok(all(periods
        .into_iter()
        .zip(averages)
        .map(|(period, load)| row![period, format!("{load:.6}")])
        .collect()))
}

pub(crate) static CPU_INFO: Table = Table {
    name: "cpu_info",
    about: "Processors, one row a socket.",
    sources: "/sys/firmware/dmi/tables/DMI, else /proc/cpuinfo",
    differences: "Where the firmware has no tables, or only root may read them, the kernel is asked, which does not know \
                  the socket's name, state and highest speed: these are NULL then. osquery has no rows there.",
    columns: &[
        text("device_id"),
        text("model"),
        text("manufacturer"),
        text("processor_type"),
        integer("cpu_status"),
        text("number_of_cores"),
        integer("logical_processors"),
        text("address_width"),
        integer("current_clock_speed"),
        integer("max_clock_speed"),
        text("socket_designation"),
        text("availability").hidden().absent(),
        integer("load_percentage").hidden().absent(),
        integer("number_of_efficiency_cores").hidden().absent(),
        integer("number_of_performance_cores").hidden().absent(),
    ],
    per_user: false,
    rows: cpu_info,
};

const FIRMWARE: &str = "/sys/firmware/dmi/tables/DMI";
const FIRMWARE_BYTES: usize = 4 << 20;

fn cpu_info(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let rows = by_firmware(&scan.host);
    Ok(all(if rows.is_empty() { by_kernel(&scan.host) } else { rows }))
}

fn by_firmware(host: &Host) -> Vec<Row> {
    let mut table = Vec::new();
    // Not there on many virtual machines, and for root's eyes only: then the kernel answers.
    if host.try_read_into(FIRMWARE.as_bytes(), &mut table, FIRMWARE_BYTES).is_err() {
        return Vec::new();
    }
    let (found, whole) = smbios::processors(&table);
    note_malformed(host, FIRMWARE, u64::from(!whole));
    let row = |(place, cpu): (usize, smbios::Processor)| {
        let mut row = row![
            format!("CPU{place}"),
            cpu.model,
            cpu.manufacturer,
            cpu.kind.map(|kind| kind.to_string()),
            cpu.status.map(i32::from),
            cpu.cores.map(|cores| cores.to_string()),
            cpu.threads.map(i32::from),
            cpu.width.map(|width| width.to_string()),
            cpu.speed.map(i32::from),
            cpu.max_speed.map(i32::from),
            cpu.socket
        ];
        row.resize(CPU_INFO.columns.len(), Cell::Null);
        row
    };
    found.into_iter().enumerate().map(row).collect()
}

fn by_kernel(host: &Host) -> Vec<Row> {
    let content = host.read("/proc/cpuinfo").unwrap_or_default();
    let content = String::from_utf8_lossy(&content).into_owned();
    let found = processors(&content);
    let value = |key: &str| {
        let line = content.lines().find(|line| line.split(':').next().is_some_and(|name| name.trim() == key));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let speed = value("cpu MHz").split('.').next().and_then(|mhz| mhz.parse::<i64>().ok());
    let sockets = found.sockets.max(1);
    let mut rows = Vec::new();
    for socket in 0..found.sockets {
        let mut row = row![
            format!("CPU{socket}"),
            &found.brand,
            value("vendor_id"),
            "",
            Cell::Null,
            (found.physical / sockets).to_string(),
            found.logical / sockets,
            i64::from(usize::BITS),
            speed
        ];
        row.resize(CPU_INFO.columns.len(), Cell::Null);
        rows.push(row);
    }
    rows
}

pub(crate) static ULIMIT_INFO: Table = Table {
    name: "ulimit_info",
    about: "Limits of this process, as a login of the same user has them.",
    sources: "getrlimit",
    differences: "",
    columns: &[text("type"), text("soft_limit"), text("hard_limit")],
    per_user: false,
    rows: ulimit_info,
};

const RESOURCES: [(&str, Resource); 16] = [
    ("cpu", Resource::Cpu),
    ("fsize", Resource::Fsize),
    ("data", Resource::Data),
    ("stack", Resource::Stack),
    ("core", Resource::Core),
    ("rss", Resource::Rss),
    ("memlock", Resource::Memlock),
    ("nproc", Resource::Nproc),
    ("nofile", Resource::Nofile),
    ("as", Resource::As),
    ("locks", Resource::Locks),
    ("sigpending", Resource::Sigpending),
    ("msgqueue", Resource::Msgqueue),
    ("nice", Resource::Nice),
    ("rtprio", Resource::Rtprio),
    ("rttime", Resource::Rttime),
];

fn ulimit_info(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.running()?;
    let text = |limit: Option<u64>| limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    let rows = RESOURCES.iter().map(|(name, resource)| {
        let limit = match resource {
            Resource::Core => core_limit(),
            resource => getrlimit(*resource),
        };
        row![*name, text(limit.current), text(limit.maximum)]
    });
    Ok(all(rows.collect()))
}
