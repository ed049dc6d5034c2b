use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::fleet::Client;

/// How many people there are, and how long each waits between two requests.
const PEOPLE: usize = 8;
const PAUSE: Duration = Duration::from_millis(20);

/// People who use the service until they are told to stop: some hundred requests a second, and no more.
#[derive(Debug)]
pub struct Load {
    people: JoinSet<Tally>,
    stop: watch::Sender<bool>,
}

/// What became of requests.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    sent: u64,
    longest: Duration,
    /// How many failed, by what was asked for and what came back.
    failed: BTreeMap<String, u64>,
}

impl Load {
    /// Sends requests there.
    #[must_use]
    pub fn start(url: &str) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut people = JoinSet::new();
        for number in 0..PEOPLE {
            people.spawn(Person::new(url, number).talk(stopped.clone()));
        }
        Self { people, stop }
    }

    /// Stops when each request has its answer.
    pub async fn stop(self) -> Tally {
        self.stop.send_replace(true);
        let mut all = Tally::default();
        for one in self.people.join_all().await {
            all.sent += one.sent;
            all.longest = all.longest.max(one.longest);
            for (what, count) in one.failed {
                *all.failed.entry(what).or_default() += count;
            }
        }
        all
    }
}

impl Tally {
    /// How many requests were sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many of them have failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.values().sum()
    }

    /// The longest that one took.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.longest
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sent, {} failed, the longest took {:.0?}", self.sent, self.failed(), self.longest)?;
        self.failed.iter().try_for_each(|(what, count)| write!(f, "\n{count} times: {what}"))
    }
}

/// Somebody who has conversations.
struct Person {
    client: Client,
    url: String,
    name: String,
    tally: Tally,
}

impl Person {
    fn new(url: &str, number: usize) -> Self {
        Self {
            client: Client::default(),
            url: url.to_owned(),
            name: format!("Person {number}"),
            tally: Tally::default(),
        }
    }

    async fn talk(mut self, mut stopped: watch::Receiver<bool>) -> Tally {
        while !*stopped.borrow_and_update() {
            self.have_a_conversation(&mut stopped).await;
        }
        self.tally
    }

    /// All that can be done in each release.
    async fn have_a_conversation(&mut self, stopped: &mut watch::Receiver<bool>) {
        let title = Some(json!({"title": format!("Of {}", self.name), "metadata": {"by": self.name}}));
        let created = self.send(Method::POST, "/conversations", title).await;
        let Some(conversation) = created.as_ref().and_then(|body| body["id"].as_str()) else { return };
        let (thread, utterances) =
            (format!("/conversations/{conversation}"), format!("/conversations/{conversation}/utterances"));
        for number in 0..4 {
            let said = Some(json!({
                "speaker": self.name,
                "content": format!("Dunlins turn as one, number {number}."),
                "nodes": [
                    {"kind": "thing", "label": "dunlin", "cluster": "Waders", "attributes": {"number": number}},
                    {"kind": "idea", "label": format!("turn {number}")},
                ],
                "relationships": [{"source": 0, "target": 1, "kind": "does", "weight": 0.5}],
            }));
            let added = self.send(Method::POST, &utterances, said).await;
            if let Some(id) = added.as_ref().and_then(|body| body["id"].as_str()) {
                let edit = Some(json!({"content": "They turn as one.", "reason": "shorter"}));
                self.send(Method::PATCH, &format!("/utterances/{id}"), edit).await;
            }
            self.send(Method::GET, &thread, None).await;
            self.send(Method::GET, "/search?q=dunlins+turn+number", None).await;
            if timeout(PAUSE, stopped.changed()).await.is_ok() {
                return;
            }
        }
        self.send(Method::GET, &format!("{thread}/clusters"), None).await;
    }

    /// Counts it, and gives what came back unless it has failed.
    async fn send(&mut self, method: Method, path: &str, body: Option<Value>) -> Option<Value> {
        let began = Instant::now();
        let what = format!("{method} {}", if path.contains("search") { "/search" } else { "/conversations" });
        let answer = self.client.send(method, &format!("{}{path}", self.url), body).await;
        self.tally.sent += 1;
        self.tally.longest = self.tally.longest.max(began.elapsed());
        sleep(PAUSE).await;
        let failure = match answer {
            Ok((status, body)) if status.is_success() => return Some(body),
            Ok((status, body)) => format!("{status} {body}"),
            Err(error) => error.to_string(),
        };
        *self.tally.failed.entry(format!("{what}: {failure}")).or_default() += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_without_an_answer_has_failed() {
        let mut person = Person::new("http://127.0.0.1:1", 0);
        assert_eq!(person.send(Method::GET, "/search", None).await, None);
        assert_eq!((person.tally.sent(), person.tally.failed()), (1, 1));
    }
}
