//! Measures processes on other systems: the memory that the system attributes to a process, without its children.

use std::io;

use super::{Memory, ProcessorTime};
use crate::Error;
use crate::sys;

/// A process to be measured.
#[derive(Debug)]
pub struct Process {
    pid: u32,
}

impl Process {
    /// Opens a running process.
    ///
    /// # Errors
    /// If the system shows nothing about it.
    pub fn open(pid: u32) -> Result<Process, Error> {
        sys::process_memory(pid).map_err(|_| Error::NoProcess { pid })?;
        Ok(Process { pid })
    }

    /// Its memory now: the private footprint, including compressed and swapped pages.
    ///
    /// # Errors
    /// If the process has exited.
    pub fn memory(&mut self) -> io::Result<Memory> {
        Ok(Memory { anonymous: sys::process_memory(self.pid)?, ..Memory::default() })
    }

    /// Does nothing here.
    ///
    /// # Errors
    /// Never.
    pub fn refresh(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Not visible here.
    ///
    /// # Errors
    /// Always.
    pub fn processor_time(&self) -> io::Result<ProcessorTime> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Not visible here.
    ///
    /// # Errors
    /// Always.
    pub fn threads(&self) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Not visible here.
    ///
    /// # Errors
    /// Always.
    pub fn open_files(&self) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Not visible here.
    pub fn disk_written(&self) -> Option<u64> {
        None
    }

    /// Whether it has exited.
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

/// The private footprint of this process, in bytes.
pub fn own_anonymous_memory() -> Option<u64> {
    sys::process_memory(std::process::id()).ok()
}
