//! A running process of a described host.

/// A running process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// The process that started it, or took it over.
    pub parent: u32,
    /// The short name that the kernel keeps, at most 15 bytes.
    pub name: String,
    /// What it runs.
    pub program: Program,
    /// Its command line; none for a kernel thread.
    pub arguments: Vec<String>,
    /// Its environment.
    pub environment: Vec<String>,
    /// User and effective user.
    pub uid: u32,
    /// Group and effective group.
    pub gid: u32,
    /// When it was started, in seconds since 1970.
    pub started: u64,
    /// Where it works.
    pub cwd: String,
    /// The control group, which names the unit it belongs to.
    pub cgroup: String,
    /// Threads.
    pub threads: u32,
    /// Memory in use, in kB.
    pub resident_kb: u64,
    /// Processor time used, in hundredths of a second.
    pub busy: u64,
    /// What it has open besides its sockets: targets as `/proc/<pid>/fd` shows them.
    pub open: Vec<String>,
}

/// What a process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A thread of the kernel.
    Kernel,
    /// A file that is there.
    File(String),
    /// A file that was deleted since.
    Deleted(String),
}

impl Program {
    /// The path, without the kernel's word on whether it is still there.
    pub fn path(&self) -> &str {
        match self {
            Self::Kernel => "",
            Self::File(path) | Self::Deleted(path) => path,
        }
    }

    /// As `/proc/<pid>/exe` shows it.
    pub fn link(&self) -> Option<String> {
        match self {
            Self::Kernel => None,
            Self::File(path) => Some(path.clone()),
            Self::Deleted(path) => Some(format!("{path} (deleted)")),
        }
    }
}

/// How many bytes of a name the kernel keeps.
const NAME_BYTES: usize = 15;

impl Process {
    /// A process of root that runs a file, named after it.
    pub fn new(pid: u32, parent: u32, path: &str, arguments: &[&str]) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path);
        Self {
            pid,
            parent,
            name: name.chars().take(NAME_BYTES).collect(),
            program: Program::File(path.to_owned()),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            environment: vec![
                "LANG=C.UTF-8".to_owned(),
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin".to_owned(),
            ],
            uid: 0,
            gid: 0,
            started: 0,
            cwd: "/".to_owned(),
            cgroup: "/system.slice".to_owned(),
            threads: 1,
            resident_kb: 4096,
            busy: 10,
            open: Vec::new(),
        }
    }

    /// A thread of the kernel.
    pub fn kernel(pid: u32, parent: u32, name: &str) -> Self {
        Self {
            name: name.chars().take(NAME_BYTES).collect(),
            program: Program::Kernel,
            arguments: Vec::new(),
            environment: Vec::new(),
            cgroup: "/".to_owned(),
            resident_kb: 0,
            ..Self::new(pid, parent, name, &[])
        }
    }

    /// As that user and group.
    pub fn user(self, uid: u32, gid: u32) -> Self {
        Self { uid, gid, ..self }
    }

    /// As part of that unit below `/system.slice`.
    pub fn unit(self, unit: &str) -> Self {
        Self { cgroup: format!("/system.slice/{unit}"), ..self }
    }

    /// Started at that time.
    pub fn started(self, started: u64) -> Self {
        Self { started, ..self }
    }
}
