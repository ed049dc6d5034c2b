CREATE TABLE clusters (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    conversation_id uuid NOT NULL CONSTRAINT clusters_conversation REFERENCES conversations ON DELETE CASCADE,
    label text NOT NULL CONSTRAINT clusters_have_a_label CHECK (label <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One label is one cluster, however it is spelled.
CREATE UNIQUE INDEX clusters_label ON clusters (conversation_id, lower(label));

-- What is spoken of. A node outlives its cluster and the utterance that it was first heard in.
CREATE TABLE nodes (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    conversation_id uuid NOT NULL CONSTRAINT nodes_conversation REFERENCES conversations ON DELETE CASCADE,
    utterance_id uuid CONSTRAINT nodes_utterance REFERENCES utterances ON DELETE SET NULL,
    cluster_id uuid CONSTRAINT nodes_cluster REFERENCES clusters ON DELETE SET NULL,
    kind text NOT NULL CONSTRAINT nodes_kind CHECK (kind IN ('person', 'place', 'thing', 'idea')),
    label text NOT NULL CONSTRAINT nodes_have_a_label CHECK (label <> ''),
    attributes jsonb NOT NULL DEFAULT '{}'
        CONSTRAINT nodes_attributes CHECK (jsonb_typeof(attributes) = 'object')
);

CREATE UNIQUE INDEX nodes_label ON nodes (conversation_id, kind, lower(label));
CREATE INDEX nodes_attributes_are ON nodes USING gin (attributes jsonb_path_ops);
CREATE INDEX nodes_of_a_cluster ON nodes (cluster_id) WHERE cluster_id IS NOT NULL;
CREATE INDEX nodes_of_an_utterance ON nodes (utterance_id) WHERE utterance_id IS NOT NULL;

CREATE TABLE relationships (
    source_id uuid NOT NULL CONSTRAINT relationships_source REFERENCES nodes ON DELETE CASCADE,
    target_id uuid NOT NULL CONSTRAINT relationships_target REFERENCES nodes ON DELETE CASCADE,
    kind text NOT NULL CONSTRAINT relationships_have_a_kind CHECK (kind <> ''),
    weight real NOT NULL DEFAULT 1 CONSTRAINT relationships_weight CHECK (weight > 0 AND weight <= 1),
    PRIMARY KEY (source_id, target_id, kind),
    CONSTRAINT relationships_join_two_nodes CHECK (source_id <> target_id)
);

CREATE INDEX relationships_target ON relationships (target_id);
