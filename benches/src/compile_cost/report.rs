//! Tables of costs.

use std::fmt;

use crate::build::Cost;

/// Costs against the first of them.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
    /// What is said below the table.
    pub(crate) notes: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) cost: Cost,
    pub(crate) target: Option<f64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width =
            self.rows.iter().map(|row| row.what.len()).chain([self.title.len()]).max().unwrap_or_default();
        writeln!(f, "| {:<width$} |     wall | ratio |      CPU | ratio | target      |", self.title)?;
        writeln!(f, "| {} | -------: | ----: | -------: | ----: | ----------- |", "-".repeat(width))?;
        let first = self.rows.first().map(|row| row.cost);
        for Row { what, cost, target } in &self.rows {
            let base = first.unwrap_or(*cost);
            let (wall, cpu) = (cost.wall.as_secs_f64(), cost.cpu.as_secs_f64());
            let ratio = wall / base.wall.as_secs_f64();
            let cpu_ratio = cpu / base.cpu.as_secs_f64();
            let verdict = match target {
                None => String::new(),
                Some(target) if ratio <= *target => format!("{target:.2} met"),
                Some(target) => format!("{target:.2} missed"),
            };
            writeln!(
                f,
                "| {what:<width$} | {wall:6.2} s | {ratio:5.2} | {cpu:6.2} s | {cpu_ratio:5.2} | {verdict:<11} |"
            )?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "\n{note}"))
    }
}
