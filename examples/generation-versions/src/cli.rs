//! What can be said to the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use generation_versions::{Rollback, Seed};

/// Gives generations versions, and their files a folder each. Without a command: the whole story, on a PostgreSQL and in a folder of
/// its own.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What is generated.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Data {
    /// What the data is drawn from
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// How many projects
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..))]
    projects: u32,
    /// How many generations
    #[arg(long, default_value_t = 400)]
    generations: u32,
}

impl From<Data> for Seed {
    fn from(data: Data) -> Self {
        Self { seed: data.seed, projects: data.projects, generations: data.generations }
    }
}

/// What commands are about.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// The database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    pub(crate) database_url: Option<String>,
    /// The folder with the flat files
    #[arg(long, env = "STORAGE_ROOT", global = true)]
    pub(crate) root: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the old tables, and data in them and under the storage root
    Generate(Data),
    /// Look what there is, and whether it can be migrated; writes nothing
    Preflight,
    /// Migrate the database and the files
    Migrate {
        /// Move generations whose project is gone to a table of their own
        #[arg(long)]
        archive_orphans: bool,
    },
    /// Move what the old program has created since
    Sweep,
    /// Check that everything is where it should be; reads each file
    Verify,
    /// Say what is different in two versions of a project
    Compare {
        /// The project's id
        project: String,
        /// A version
        old: i32,
        /// Another
        new: i32,
    },
    /// Make a version the active one of its project
    Activate {
        /// The project's id
        project: String,
        /// The version
        version: i32,
    },
    /// Go back
    Rollback(Back),
}

/// How far.
#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Back {
    /// The schema alone: files stay in their folders, and the next `migrate` adopts them
    #[arg(long)]
    database: bool,
    /// The files alone: they lie flat, and the database has versions
    #[arg(long)]
    files: bool,
    /// Both: all is as it was
    #[arg(long)]
    both: bool,
}

impl From<Back> for Rollback {
    fn from(back: Back) -> Self {
        match back {
            Back { database: true, .. } => Self::Database,
            Back { files: true, .. } => Self::Files,
            _ => Self::Both,
        }
    }
}
