use std::fs;

/// The most memory that this process has had since it was told to [forget](Memory::forget). What earlier work has left with the allocator
/// is part of it, so that it is an upper bound on what the work since then needs.
pub(crate) struct Memory(bool);

impl Memory {
    /// Begins anew. Linux only.
    pub(crate) fn forget() -> Self {
        // proc(5): 5 resets the peak.
        Self(fs::write("/proc/self/clear_refs", "5").is_ok())
    }

    /// In megabytes.
    pub(crate) fn peak(&self) -> Option<f64> {
        let status = self.0.then(|| fs::read_to_string("/proc/self/status").ok())??;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes / 1024.0)
    }
}
