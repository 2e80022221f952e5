//! For which system and machine a file was built, by its first bytes. Pure.

/// For which system and machine a file was built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// The system, as Rust calls it, such as `linux`. Many others cannot be told from that one.
    pub os: &'static str,
    /// The machine, as Rust calls it, such as `x86_64`. A universal file of macOS has several, with `, ` between them.
    pub architecture: String,
}

impl Target {
    /// Whether this program was built for the same.
    pub fn is_here(&self) -> bool {
        let mut machines = self.architecture.split(", ");
        self.os == std::env::consts::OS && machines.any(|machine| machine == std::env::consts::ARCH)
    }
}

/// For what a program or a shared library was built, by the first bytes of its file: a few kilobytes will do. Nothing, if
/// they are of neither.
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// let own = std::fs::read("/proc/self/exe")?;
/// assert!(jackfield_core::target_of(&own).is_some_and(|target| target.is_here()));
/// # }
/// assert_eq!(jackfield_core::target_of(b"#!/bin/sh\n"), None);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn target_of(bytes: &[u8]) -> Option<Target> {
    match bytes.get(..4)? {
        b"\x7fELF" => {
            let machine = word(
                bytes,
                18,
                if bytes.get(5) == Some(&BIG) { u16::from_be_bytes } else { u16::from_le_bytes },
            )?;
            let os = SYSTEMS.iter().find(|(number, _)| Some(number) == bytes.get(7));
            Some(Target { os: os.map_or("linux", |(_, name)| name), architecture: name(machine, &ELF) })
        }
        b"\xcf\xfa\xed\xfe" => {
            Some(Target { os: "macos", architecture: name(word(bytes, 4, u32::from_le_bytes)?, &MACH_O) })
        }
        b"\xca\xfe\xba\xbe" => {
            let count = word(bytes, 4, u32::from_be_bytes).filter(|count| (1..MOST_PARTS).contains(count))?;
            let machine = |part: u32| word(bytes, 8 + 20 * part as usize, u32::from_be_bytes);
            let machines =
                (0..count).map(|part| Some(name(machine(part)?, &MACH_O))).collect::<Option<Vec<_>>>()?;
            Some(Target { os: "macos", architecture: machines.join(", ") })
        }
        [b'M', b'Z', ..] => {
            let head = word(bytes, 0x3c, u32::from_le_bytes)? as usize;
            let is_one = bytes.get(head..head.checked_add(4)?)? == b"PE\0\0";
            let machine = word(bytes, head.checked_add(4)?, u16::from_le_bytes).filter(|_| is_one)?;
            Some(Target { os: "windows", architecture: name(machine, &PE) })
        }
        _ => None,
    }
}

/// The number that stands here.
fn word<const N: usize, V>(bytes: &[u8], at: usize, read: fn([u8; N]) -> V) -> Option<V> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok().map(read)
}

fn name<V: PartialEq + std::fmt::Display>(machine: V, known: &[(V, &str)]) -> String {
    let found = known.iter().find(|(number, _)| *number == machine);
    found.map_or_else(|| format!("the machine {machine}"), |(_, name)| (*name).to_owned())
}

/// `ELFDATA2MSB`.
const BIG: u8 = 2;
/// A Java class begins as a universal file does, and goes on with a version of at least 45.
const MOST_PARTS: u32 = 32;

/// The numbers of systems in an ELF file that say something: Linux and some others write 0.
const SYSTEMS: [(u8, &str); 4] = [(2, "netbsd"), (6, "solaris"), (9, "freebsd"), (12, "openbsd")];

/// The numbers of machines in an ELF file.
const ELF: [(u16, &str); 11] = [
    (2, "sparc"),
    (3, "x86"),
    (8, "mips"),
    (20, "powerpc"),
    (21, "powerpc64"),
    (22, "s390x"),
    (40, "arm"),
    (62, "x86_64"),
    (183, "aarch64"),
    (243, "riscv64"),
    (258, "loongarch64"),
];

/// The numbers of machines in a Mach-O file.
const MACH_O: [(u32, &str); 4] = [(7, "x86"), (12, "arm"), (0x0100_0007, "x86_64"), (0x0100_000c, "aarch64")];

/// The numbers of machines in a PE file.
const PE: [(u16, &str); 4] = [(0x14c, "x86"), (0x1c4, "arm"), (0x8664, "x86_64"), (0xaa64, "aarch64")];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Option<(&'static str, String)> {
        target_of(bytes).map(|target| (target.os, target.architecture))
    }

    #[test]
    fn every_format_names_its_system_and_machine() {
        let elf = |order: u8, system: u8, machine: [u8; 2]| {
            [&b"\x7fELF\x02"[..], &[order, 1, system], &[0; 10], &machine].concat()
        };
        let universal = |parts: &[[u8; 4]]| {
            let parts = parts.iter().flat_map(|cpu| [&cpu[..], &[0; 16]].concat());
            [&b"\xca\xfe\xba\xbe\0\0\0\x02"[..], &parts.collect::<Vec<_>>()].concat()
        };
        let mut pe = vec![0; 0x46];
        for (at, bytes) in [(0, &b"MZ"[..]), (0x3c, b"\x40"), (0x40, b"PE\0\0\x64\x86")] {
            pe[at..at + bytes.len()].copy_from_slice(bytes);
        }
        for (bytes, os, architecture) in [
            (elf(1, 0, [62, 0]), "linux", "x86_64"),
            (elf(2, 0, [0, 20]), "linux", "powerpc"),
            (elf(1, 9, [183, 0]), "freebsd", "aarch64"),
            (elf(1, 3, [231, 3]), "linux", "the machine 999"),
            (b"\xcf\xfa\xed\xfe\x0c\0\0\x01".to_vec(), "macos", "aarch64"),
            (universal(&[[1, 0, 0, 7], [1, 0, 0, 12]]), "macos", "x86_64, aarch64"),
            (pe, "windows", "x86_64"),
        ] {
            assert_eq!(found(&bytes), Some((os, architecture.to_owned())));
            for len in 0..bytes.len() {
                // Whatever is missing, there is no other answer.
                assert!(found(&bytes[..len]).is_none_or(|(found, _)| found == os));
            }
        }
    }

    #[test]
    fn what_is_for_no_machine_has_none() {
        for bytes in
            [&b""[..], b"#!/bin/sh", b"MZ", b"\x7fELF", b"\xca\xfe\xba\xbe\0\0\0\x34 a class of Java"]
        {
            assert_eq!(target_of(bytes), None, "{bytes:?}");
        }
        assert!(!Target { os: "windows", architecture: "the machine 7".to_owned() }.is_here());
    }
}
