use std::{fs, path::Path};

use fastrand::Rng;
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::{Builder, Uuid};

use crate::{Error, files::failed};

/// Ids that nobody expects, which are in use all the same.
const ODD: [&str; 8] = ["../outside", "..", "acme/web", "naïve café", "a%2Fb", " ", ".hidden", "line\nbreak"];
const SUBJECTS: [&str; 6] =
    ["a landing page", "a price list", "a map of tides", "a form", "a diary", "a poster"];
const MOODS: [&str; 5] = ["sober", "bright", "quiet", "playful", "dense"];

/// Data as the old program leaves it: the same for the same numbers.
#[derive(Clone, Copy, Debug)]
pub struct Seed {
    /// What everything is drawn from.
    pub seed: u64,
    /// How many projects, some of them with odd ids.
    pub projects: u32,
    /// How many generations.
    pub generations: u32,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sown {
    /// Generations whose project is gone.
    pub orphans: u64,
    /// Files on disk, of generations that have their project.
    pub files: u64,
    /// Files that such generations name and that are not there.
    pub missing: u64,
    /// Names that lead out of the storage root.
    pub not_its_own: u64,
    /// Flat files that no generation names, or an orphan.
    pub unowned: u64,
}

impl Seed {
    /// Writes it into the tables of the old program, and under its storage root.
    ///
    /// # Errors
    ///
    /// What the server or the file system says.
    pub async fn sow(self, client: &Client, root: &Path) -> Result<Sown, Error> {
        let mut rng = Rng::with_seed(self.seed);
        let projects: Vec<String> = (0..self.projects).map(project).collect();
        let insert =
            "INSERT INTO projects (id, name) SELECT id, 'Project ' || id FROM unnest($1::text[]) AS id
            ON CONFLICT DO NOTHING";
        client.execute(insert, &[&projects]).await?;
        let mut sown = Sown::default();
        let mut made = Vec::new();
        for index in 0..self.generations {
            made.push(Made::draw(&mut rng, index, &projects));
        }
        for made in &made {
            made.write(root, &mut sown)?;
        }
        for (name, content) in [("readme.txt", "Flat files of generations."), ("tmp_upload.html", "<p>half")]
        {
            write(root, name, content)?;
            sown.unowned += 1;
        }
        for made in made.chunks(1_000) {
            Made::insert(client, made).await?;
        }
        Ok(sown)
    }
}

fn project(index: u32) -> String {
    match index.checked_sub(1).and_then(|index| ODD.get(usize::try_from(index).ok()?)) {
        Some(odd) => (*odd).to_owned(),
        None => format!("atlas-{index}"),
    }
}

/// A generation of the old program.
struct Made {
    id: Uuid,
    project: String,
    is_orphan: bool,
    minute: i32,
    prompt: String,
    parameters: Value,
    files: Vec<(String, Option<String>)>,
}

impl Made {
    fn draw(rng: &mut Rng, index: u32, projects: &[String]) -> Self {
        let mut bytes = [0; 16];
        rng.fill(&mut bytes);
        let id = Builder::from_random_bytes(bytes).into_uuid();
        let is_orphan = index % 40 == 7;
        let project = match projects.get(rng.usize(..projects.len().max(1))) {
            Some(project) if !is_orphan => project.clone(),
            _ => format!("deleted-{}", index % 3),
        };
        let subject = SUBJECTS.get(project.len() % SUBJECTS.len()).copied().unwrap_or_default();
        let mood = MOODS.get(rng.usize(..MOODS.len())).copied().unwrap_or_default();
        let parameters = json!({
            "model": format!("plover-{}", rng.u8(1..4)),
            "temperature": f64::from(rng.u8(0..11)) / 10.0,
            "size": { "width": 320 * rng.u16(1..5), "height": 640 },
        });
        let mut files = vec![(
            format!("{id}.html"),
            Some(format!("<html><body class=\"{mood}\">{subject}</body></html>\n")),
        )];
        if rng.bool() {
            files.push((format!("{id}_style.css"), Some(format!("body {{ content: '{mood}' }}\n"))));
        }
        if index % 4 == 1 {
            files.push((
                format!("{id}-notes (final) ü.txt"),
                Some(format!("{subject}, {mood}\n").repeat(rng.usize(1..9))),
            ));
        }
        match index % 50 {
            11 => files.push((format!("{id}_lost.png"), None)),
            23 => files.push(("../outside.txt".to_owned(), None)),
            _ => {}
        }
        let minute = rng.i32(0..500_000);
        Self { id, project, is_orphan, minute, prompt: format!("Make {subject}, {mood}."), parameters, files }
    }

    fn write(&self, root: &Path, sown: &mut Sown) -> Result<(), Error> {
        sown.orphans += u64::from(self.is_orphan);
        for (name, content) in &self.files {
            let count = match content {
                Some(_) if self.is_orphan => &mut sown.unowned,
                Some(_) => &mut sown.files,
                None if self.is_orphan => continue,
                None if name.starts_with('.') => &mut sown.not_its_own,
                None => &mut sown.missing,
            };
            *count += 1;
            content.iter().try_for_each(|content| write(root, name, content))?;
        }
        Ok(())
    }

    async fn insert(client: &Client, made: &[Self]) -> Result<(), Error> {
        let rows: Vec<Value> = made
            .iter()
            .map(|made| {
                let files: Vec<_> = made.files.iter().map(|(name, _)| name).collect();
                json!({ "id": made.id.to_string(), "project_id": made.project, "minute": made.minute,
                    "prompt": made.prompt, "parameters": made.parameters, "files": files })
            })
            .collect();
        let insert = "INSERT INTO generations (id, project_id, created_at, prompt, parameters, files)
            SELECT id, project_id, timestamptz '2025-01-01 00:00:00+00' + minute * interval '1 minute', prompt, parameters, files
            FROM jsonb_to_recordset($1::jsonb)
                AS made (id uuid, project_id text, minute int, prompt text, parameters jsonb, files text[])";
        client.execute(insert, &[&Value::from(rows)]).await?;
        Ok(())
    }
}

fn write(root: &Path, name: &str, content: &str) -> Result<(), Error> {
    let path = root.join(name);
    fs::write(&path, content).map_err(failed("write", &path))
}
