//! `memory_info`, `memory_map` and `shared_memory`.

use crate::tables::{Cell, Failure, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static MEMORY_INFO: Table = Table {
    name: "memory_info",
    about: "Main memory and swap in bytes.",
    sources: "/proc/meminfo",
    differences: "",
    columns: &[
        bigint("memory_total"),
        bigint("memory_free"),
        bigint("memory_available"),
        bigint("buffers"),
        bigint("cached"),
        bigint("swap_cached"),
        bigint("active"),
        bigint("inactive"),
        bigint("swap_total"),
        bigint("swap_free"),
    ],
    per_user: false,
    rows: memory_info,
};

fn memory_info(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let Some(content) = scan.host.read("/proc/meminfo") else { return Ok(crate::tables::none()) };
    let content = String::from_utf8_lossy(&content).into_owned();
    let bytes = |key: &str| {
        let value = content.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        value.trim().trim_end_matches("kB").trim().parse::<i64>().ok()?.checked_mul(1024)
    };
    Ok(all(vec![row![
        bytes("MemTotal"),
        bytes("MemFree"),
        bytes("MemAvailable"),
        bytes("Buffers"),
        bytes("Cached"),
        bytes("SwapCached"),
        bytes("Active"),
        bytes("Inactive"),
        bytes("SwapTotal"),
        bytes("SwapFree")
    ]]))
}

pub(crate) static MEMORY_MAP: Table = Table {
    name: "memory_map",
    about: "Physical memory: what lies where. Addresses are 0 for all but root.",
    sources: "/proc/iomem",
    differences: "",
    columns: &[text("name"), text("start"), text("end")],
    per_user: false,
    rows: memory_map,
};

fn memory_map(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let content = scan.host.read("/proc/iomem").unwrap_or_default();
    let content = String::from_utf8_lossy(&content).into_owned();
    let mut rows = Vec::new();
    for line in content.lines() {
        let Some((range, name)) = line.split_once(" : ") else { continue };
        let Some((start, end)) = range.trim().split_once('-') else { continue };
        // osquery has a blank behind the end; rows of both must be equal.
        rows.push(row![name.to_owned(), format!("0x{start}"), format!("0x{end} ")]);
    }
    Ok(all(rows))
}

pub(crate) static SHARED_MEMORY: Table = Table {
    name: "shared_memory",
    about: "Shared memory of System V.",
    sources: "/proc/sysvipc/shm",
    differences: "",
    columns: &[
        integer("shmid"),
        bigint("owner_uid"),
        bigint("creator_uid"),
        bigint("pid"),
        bigint("creator_pid"),
        bigint("atime"),
        bigint("dtime"),
        bigint("ctime"),
        text("permissions"),
        bigint("size"),
        integer("attached"),
        text("status"),
        integer("locked"),
    ],
    per_user: false,
    rows: shared_memory,
};

const SHM_DEST: u32 = 0o1000;
const SHM_LOCKED: u32 = 0o2000;

fn shared_memory(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let content = scan.host.read("/proc/sysvipc/shm").unwrap_or_default();
    let content = String::from_utf8_lossy(&content).into_owned();
    let mut rows = Vec::new();
    for line in content.lines().skip(1) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [
            _key,
            id,
            mode,
            size,
            creator,
            last,
            attached,
            uid,
            _gid,
            creator_uid,
            _cgid,
            atime,
            dtime,
            ctime,
            ..,
        ] = words.as_slice()
        else {
            continue;
        };
        let mode = u32::from_str_radix(mode, 8).unwrap_or(0);
        let number = |word: &&str| Cell::from(word.parse::<i64>().ok());
        rows.push(row![
            number(id),
            number(uid),
            number(creator_uid),
            number(last),
            number(creator),
            number(atime),
            number(dtime),
            number(ctime),
            format!("{:04o}", mode & 0o777),
            number(size),
            number(attached),
            if mode & SHM_DEST != 0 { "dest" } else { "" },
            mode & SHM_LOCKED != 0
        ]);
    }
    Ok(all(rows))
}
