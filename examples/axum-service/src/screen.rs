//! How it looks in a terminal.

use std::{
    env,
    fmt::Display,
    io::{self, IsTerminal, Write},
};

/// Standard output, with colour where that is a terminal and nobody has asked for none (<https://no-color.org>).
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    colour: bool,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: io::stdout().is_terminal() && !unwanted }
    }

    /// A heading, with an empty line before it.
    pub(crate) fn heading(self, text: &str) {
        line(format_args!("\n{}", self.styled("1;36", text)));
    }

    /// A text of any number of lines, indented.
    pub(crate) fn say(self, text: impl Display) {
        text.to_string().lines().for_each(|text| line(format_args!("  {text}")));
    }

    /// As [`say`](Self::say), for what is only by the way.
    pub(crate) fn aside(self, text: impl Display) {
        text.to_string().lines().for_each(|text| line(format_args!("  {}", self.styled("2", text))));
    }

    /// A fact: what it is, and its value.
    pub(crate) fn fact(self, name: &str, value: impl Display) {
        line(format_args!("  {name:<26}{}", self.styled("1", &value.to_string())));
    }

    fn styled(self, style: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Nobody may be there to read it (`| head`): that is no reason to stop.
fn line(text: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}
