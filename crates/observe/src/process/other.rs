//! Other systems: the memory that the system ascribes to a process, no children.

use std::io;
use std::time::Duration;

use super::Memory;
use crate::Error;
use crate::sys;

/// A process that is being watched.
#[derive(Debug)]
pub struct Process {
    pid: u32,
}

impl Process {
    /// Opens a running process.
    ///
    /// # Errors
    /// When the system shows nothing of it.
    pub fn open(pid: u32) -> Result<Process, Error> {
        sys::process_memory(pid).map_err(|_| Error::NoProcess { pid })?;
        Ok(Process { pid })
    }

    /// Its memory now: the private footprint, compressed and swapped pages included.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn memory(&mut self) -> io::Result<Memory> {
        Ok(Memory { anonymous: sys::process_memory(self.pid)?, ..Memory::default() })
    }

    /// Nothing is kept that would need it here.
    ///
    /// # Errors
    /// None here.
    pub fn refresh(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Not read here.
    ///
    /// # Errors
    /// Always: it is not visible.
    pub fn processor_time(&self) -> io::Result<Duration> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Not visible here.
    pub fn disk_written(&self) -> Option<u64> {
        None
    }

    /// Whether it has ended.
    pub fn has_exited(&self) -> bool {
        sys::process_memory(self.pid).is_err()
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Not visible here.
    pub fn uid(&self) -> Option<u32> {
        None
    }

    /// Not visible here.
    pub fn name(&self) -> &str {
        ""
    }

    /// Not visible here: always 0.
    pub fn started(&self) -> u64 {
        0
    }

    /// Not visible here.
    pub fn children(&self) -> Vec<u32> {
        Vec::new()
    }
}
