//! The macros of [dunlin](https://docs.rs/dunlin). Use them through that crate: what they expand to names it.

mod embed;
mod expand;
mod input;
mod mistake;
mod read;
mod rust_file;

use proc_macro::TokenStream;

/// Puts a folder of migrations into the program: an expression of type `dunlin::MigrationSet`.
///
/// ```text
/// let migrations = dunlin::embed!("migrations");
/// ```
///
/// The path is relative to the folder of the package's `Cargo.toml`. Folders inside the folder are not read.
///
/// # Files
///
/// | File | What it is |
/// |---|---|
/// | `0007_split_names.up.sql`, or `0007_split_names.sql` | the SQL that applies migration 7 |
/// | `0007_split_names.down.sql` | the SQL that undoes it, optional |
/// | `0007_split_names.verify.sql` | the SQL that checks it, optional |
/// | `0007_split_names.rs` | migration 7 in Rust, instead of SQL |
///
/// A version is a number, of any width, and orders the migrations. Other files (`README.md`, `mod.rs`, dot files) are left
/// alone; a file that ends in `.sql` or `.rs` and isn't called like this is an error.
///
/// A `.rs` file becomes a module where the macro stands. It defines the migration as a unit struct called `Migration`:
///
/// ```text
/// use dunlin::{BoxError, Context, RustMigration};
///
/// pub struct Migration;
///
/// impl RustMigration for Migration {
///     async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
///         cx.client().batch_execute("...").await?;
///         Ok(())
///     }
/// }
/// ```
///
/// # Errors
///
/// Everything that can be known to be wrong without a database is an error of the compiler, with file, line and column, all at
/// once: versions that are there twice, names that don't fit, down and verify scripts without their migration; files that are
/// empty or not UTF-8, NUL, white space that isn't; unknown `-- dunlin:` directives; strings, comments and parentheses that never
/// end; transaction control, and what can't run in a transaction where there is one; `COPY ... FROM STDIN` and commands of
/// psql.
///
/// # Rebuilds
///
/// A change to a file rebuilds the package. The compiler can't see a *new* file; this `build.rs` makes cargo look for it:
///
/// ```text
/// fn main() {
///     println!("cargo::rerun-if-changed=migrations");
/// }
/// ```
///
/// Without it, a debug build notices at run time that the folder holds a file that the program doesn't. A release build
/// doesn't know the folder's path.
///
/// A folder of 1,000 files makes `cargo check` take 0.21 s instead of 0.12 s after a change, and `cargo build` 1.23 times as
/// long (two cores, unoptimised macros; `cargo run --release -p benches --bin compile-cost` measures it).
#[proc_macro]
pub fn embed(input: TokenStream) -> TokenStream {
    embed::embed(input).unwrap_or_else(mistake::Mistake::into_compile_error)
}
