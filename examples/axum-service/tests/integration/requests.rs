//! What the routes promise, in each release and where two of them work on one database.

use axum::http::{Method, StatusCode};
use axum_service::Release;
use deadpool_postgres::Pool;
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::support::{Api, column};

const BOTH: [Release; 2] = [Release::One, Release::Two];

#[dunlin::test(migrations = Release::Two.migrations())]
async fn a_thread_is_what_was_said_and_what_it_was_about(pool: Pool) {
    for release in BOTH {
        let api = Api::of(&pool, release);
        let conversation =
            api.create("/conversations", json!({"title": "Birds", "metadata": {"place": "Sylt"}})).await;
        let said = json!({
            "speaker": "Ada", "content": "Dunlins turn as one.",
            "nodes": [
                {"kind": "thing", "label": "Dunlin", "cluster": "Waders", "attributes": {"legs": 2}},
                {"kind": "idea", "label": "flock"},
            ],
            "relationships": [{"source": 0, "target": 1, "kind": "makes", "weight": 0.5}],
        });
        api.create(&format!("/conversations/{conversation}/utterances"), said).await;
        // The same node by another spelling learns what is new.
        let said = json!({
            "speaker": "Grace", "content": "They are small.",
            "nodes": [{"kind": "thing", "label": "dunlin", "attributes": {"size": "small"}}],
        });
        api.create(&format!("/conversations/{conversation}/utterances"), said).await;

        let thread = api.get(&format!("/conversations/{conversation}")).await;
        assert_eq!(thread["metadata"], json!({"place": "Sylt"}));
        assert_eq!(thread["utterances"][1]["position"], 2);
        assert_eq!(thread["nodes"].as_array().unwrap().len(), 2);
        assert_eq!(thread["nodes"][1]["attributes"], json!({"legs": 2, "size": "small"}));
        assert_eq!(thread["nodes"][1]["cluster"], "Waders");
        assert_eq!(thread["relationships"][0]["weight"], 0.5);
        let words = &thread["utterances"][0]["words"];
        assert_eq!(*words, if release == Release::One { Value::Null } else { json!(4) });
        let clusters = api.get(&format!("/conversations/{conversation}/clusters")).await;
        assert_eq!((&clusters[0]["label"], &clusters[0]["nodes"]), (&json!("Waders"), &json!(1)));
    }
}

#[dunlin::test(migrations = Release::Two.migrations())]
async fn each_release_reads_what_the_other_writes(pool: Pool) {
    let [old, new] = BOTH.map(|release| Api::of(&pool, release));
    let conversation = old.create("/conversations", json!({"title": "Birds"})).await;
    let path = format!("/conversations/{conversation}/utterances");
    let first = old.create(&path, json!({"speaker": "Ada", "content": "Flocks of dunlins."})).await;
    let second = new.create(&path, json!({"speaker": "Grace", "content": "How many dunlins?"})).await;

    let thread = new.get(&format!("/conversations/{conversation}")).await;
    assert_eq!(thread["utterances"][0]["words"], 3, "counted when it is asked for");
    assert_eq!(old.get("/search?q=dunlins").await.as_array().unwrap().len(), 2);
    assert_eq!(new.get("/search?q=dunlin").await.as_array().unwrap().len(), 2);
    assert_eq!(old.get("/search?q=dunlin").await, json!([]), "release 1 knows no English");
    assert_eq!(new.get("/search?q=grace").await[0]["utterance"], second);

    let edit = |content: &str| Some(json!({"content": content, "reason": "a typo"}));
    let (status, _) = old.send(Method::PATCH, &format!("/utterances/{second}"), edit("How many?")).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _) = new.send(Method::PATCH, &format!("/utterances/{first}"), edit("A flock.")).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let thread = new.get(&format!("/conversations/{conversation}")).await;
    assert_eq!(
        (&thread["utterances"][0]["words"], &thread["utterances"][1]["words"]),
        (&json!(2), &json!(2))
    );
}

#[dunlin::test(migrations = Release::Two.migrations())]
async fn an_edit_is_written_down(pool: Pool, client: Client) {
    for release in BOTH {
        let api = Api::of(&pool, release);
        let conversation = api.create("/conversations", json!({"title": "Birds"})).await;
        let path = format!("/conversations/{conversation}/utterances");
        let id = api.create(&path, json!({"speaker": "Ada", "content": "Dunlin"})).await;

        let edit = Some(json!({"content": "Dunlins", "reason": "there are more"}));
        api.send(Method::PATCH, &format!("/utterances/{id}"), edit.clone()).await;
        let (status, refusal) = api.send(Method::PATCH, &format!("/utterances/{id}"), edit).await;

        assert_eq!(
            (status, refusal),
            (StatusCode::UNPROCESSABLE_ENTITY, json!({"error": "an edit changes something"}))
        );
        let log = format!(
            "SELECT format('%s > %s (%s)', before, after, reason) FROM edits_log WHERE utterance_id = '{id}'"
        );
        assert_eq!(column::<String>(&client, &log).await.unwrap(), ["Dunlin > Dunlins (there are more)"]);
    }
}

#[dunlin::test(migrations = Release::Two.migrations())]
async fn a_bookmark_is_there_from_release_2_on(pool: Pool) {
    let [old, new] = BOTH.map(|release| Api::of(&pool, release));
    let conversation = old.create("/conversations", json!({"title": "Birds"})).await;
    let path = format!("/conversations/{conversation}/utterances");
    let id = old.create(&path, json!({"speaker": "Ada", "content": "Dunlin"})).await;

    let mark = Some(json!({"note": "look it up"}));
    let (status, refusal) = old.send(Method::POST, &format!("/utterances/{id}/bookmark"), mark.clone()).await;
    assert_eq!(
        (status, refusal),
        (StatusCode::NOT_IMPLEMENTED, json!({"error": "this release has no bookmarks"}))
    );
    let (status, _) = new.send(Method::POST, &format!("/utterances/{id}/bookmark"), mark).await;
    assert_eq!(status, StatusCode::NO_CONTENT);

    let thread = new.get(&format!("/conversations/{conversation}")).await;
    assert_eq!(thread["utterances"][0]["bookmark"], "look it up");
    assert_eq!(
        old.get(&format!("/conversations/{conversation}")).await["utterances"][0].get("bookmark"),
        None
    );
}

#[dunlin::test(migrations = Release::Two.migrations())]
async fn what_breaks_a_rule_is_refused_as_a_whole_and_in_words(pool: Pool, client: Client) {
    for release in BOTH {
        let api = Api::of(&pool, release);
        let conversation = api.create("/conversations", json!({"title": "Birds"})).await;
        let path = format!("/conversations/{conversation}/utterances");
        let node = |label: &str| json!({"kind": "thing", "label": label});
        for (body, expected) in [
            (json!({"speaker": "", "content": "secret"}), "somebody has said it"),
            (json!({"speaker": "Ada", "content": ""}), "something was said"),
            (
                json!({"speaker": "Ada", "content": "secret", "nodes": [{"kind": "mood", "label": "joy"}]}),
                "a node is a person, a place, a thing or an idea",
            ),
            (
                json!({"speaker": "Ada", "content": "secret", "nodes": [node("a"), node("b")],
                    "relationships": [{"source": 0, "target": 1, "kind": "is", "weight": 2.0}]}),
                "a weight is more than 0 and at most 1",
            ),
            (
                json!({"speaker": "Ada", "content": "secret", "nodes": [node("a")],
                    "relationships": [{"source": 0, "target": 1, "kind": "is"}]}),
                "a relationship is between nodes that come with it",
            ),
        ] {
            let refusal = api.send(Method::POST, &path, Some(body)).await;
            assert_eq!(refusal, (StatusCode::UNPROCESSABLE_ENTITY, json!({"error": expected})));
        }
        let nowhere = "/conversations/00000000-0000-0000-0000-000000000000";
        assert_eq!(
            api.send(Method::GET, nowhere, None).await,
            (StatusCode::NOT_FOUND, json!({"error": "there is no such conversation"}))
        );
        let written = "SELECT (SELECT count(*) FROM utterances) + (SELECT count(*) FROM nodes)";
        assert_eq!(column::<i64>(&client, written).await.unwrap(), [0]);
    }
}

/// A database without the tables: what the server says stays inside.
#[dunlin::test(migrations = dunlin::MigrationSet::builder().build().unwrap())]
async fn what_the_database_says_is_not_for_those_who_ask(pool: Pool) {
    let api = Api::of(&pool, Release::One);
    let (status, body) = api.send(Method::GET, "/search?q=secret", None).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body, json!({"error": "the database does not do what it should"}));
}

#[dunlin::test(migrations = Release::One.migrations())]
async fn calls_are_written_down_by_their_route(pool: Pool, client: Client) {
    let api = Api::of(&pool, Release::One);
    let conversation = api.create("/conversations", json!({"title": "Birds"})).await;
    api.get(&format!("/conversations/{conversation}")).await;
    api.get("/search?q=secret").await;
    api.send(Method::GET, "/conversations/00000000-0000-0000-0000-000000000000", None).await;
    api.end().await;

    let log =
        "SELECT format('%s %s %s of %s', method, route, status, release) FROM api_calls_log ORDER BY id";
    assert_eq!(
        column::<String>(&client, log).await.unwrap(),
        [
            "POST /conversations 201 of 1",
            "GET /conversations/{id} 200 of 1",
            "GET /search 200 of 1",
            "GET /conversations/{id} 404 of 1",
        ]
    );
}

#[dunlin::test(migrations = Release::Three.migrations())]
async fn releases_2_and_3_need_nothing_that_the_contract_takes_away(pool: Pool) {
    for release in [Release::Two, Release::Three] {
        let api = Api::of(&pool, release);
        let conversation = api.create("/conversations", json!({"title": "Birds"})).await;
        let path = format!("/conversations/{conversation}/utterances");
        let id = api.create(&path, json!({"speaker": "Ada", "content": "Flocks"})).await;
        let edit = Some(json!({"content": "Flock"}));
        let (status, _) = api.send(Method::PATCH, &format!("/utterances/{id}"), edit).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        assert_eq!(api.get(&format!("/conversations/{conversation}")).await["utterances"][0]["words"], 1);
        assert!(!api.get("/search?q=flocks").await.as_array().unwrap().is_empty());
    }
}
