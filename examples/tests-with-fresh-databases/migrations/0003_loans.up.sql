CREATE TABLE loans (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tool_id bigint NOT NULL CONSTRAINT loans_tool REFERENCES tools,
    member_id bigint NOT NULL CONSTRAINT loans_member REFERENCES members,
    lent_at timestamptz NOT NULL DEFAULT now(),
    returned_at timestamptz CONSTRAINT loans_end_after_they_begin CHECK (returned_at >= lent_at)
);

CREATE UNIQUE INDEX loans_of_a_tool_one_by_one ON loans (tool_id) WHERE returned_at IS NULL;
CREATE INDEX loans_of_a_member ON loans (member_id);
