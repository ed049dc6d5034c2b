use std::{env, path::PathBuf};

use crate::error::{Error, Fault};

/// Where the binaries of a throw-away server come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// What is installed on this machine, else what can be provisioned.
    #[default]
    Any,
    /// What is installed on this machine, or was provisioned earlier; nothing is downloaded.
    Installed,
    /// What was provisioned, now or earlier, even if PostgreSQL is installed.
    Provisioned,
    /// The binaries in this folder.
    Folder(PathBuf),
}

impl Source {
    /// Reads `DUNLIN_POSTGRES`.
    pub(crate) fn from_env() -> Result<Self, Error> {
        let Some(value) = env::var_os("DUNLIN_POSTGRES").filter(|value| !value.is_empty()) else {
            return Ok(Self::Any);
        };
        match value.to_str() {
            Some("installed") => Ok(Self::Installed),
            Some("provision") => Ok(Self::Provisioned),
            _ => {
                let folder = PathBuf::from(&value);
                if folder.is_absolute() {
                    return Ok(Self::Folder(folder));
                }
                let wanted = "`installed`, `provision` or the absolute path of a folder with `initdb` in it";
                Err(Fault::Variable {
                    name: "DUNLIN_POSTGRES",
                    value: value.to_string_lossy().into_owned(),
                    wanted,
                }
                .into())
            }
        }
    }
}
