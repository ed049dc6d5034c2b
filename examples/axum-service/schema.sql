--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: uuid-ossp; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA public;


--
-- Name: EXTENSION "uuid-ossp"; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON EXTENSION "uuid-ossp" IS 'generate universally unique identifiers (UUIDs)';


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: api_calls_log; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.api_calls_log (
    id bigint NOT NULL,
    method text NOT NULL,
    route text NOT NULL,
    status smallint NOT NULL,
    took_us bigint NOT NULL,
    release text NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT api_calls_log_status CHECK (((status >= 100) AND (status <= 599))),
    CONSTRAINT api_calls_log_took CHECK ((took_us >= 0))
);


--
-- Name: api_calls_log_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.api_calls_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.api_calls_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: bookmarks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.bookmarks (
    utterance_id uuid NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: clusters; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.clusters (
    id uuid DEFAULT public.uuid_generate_v4() NOT NULL,
    conversation_id uuid NOT NULL,
    label text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT clusters_have_a_label CHECK ((label <> ''::text))
);


--
-- Name: conversations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.conversations (
    id uuid DEFAULT public.uuid_generate_v4() NOT NULL,
    title text NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    last_position integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    closed_at timestamp with time zone,
    CONSTRAINT conversations_close_after_they_begin CHECK ((closed_at >= created_at)),
    CONSTRAINT conversations_have_a_title CHECK ((title <> ''::text)),
    CONSTRAINT conversations_metadata CHECK ((jsonb_typeof(metadata) = 'object'::text))
);


--
-- Name: edits_log; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.edits_log (
    id bigint NOT NULL,
    utterance_id uuid NOT NULL,
    before text NOT NULL,
    after text NOT NULL,
    reason text,
    edited_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT edits_log_changes CHECK ((before <> after))
);


--
-- Name: edits_log_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.edits_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.edits_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: nodes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.nodes (
    id uuid DEFAULT public.uuid_generate_v4() NOT NULL,
    conversation_id uuid NOT NULL,
    utterance_id uuid,
    cluster_id uuid,
    kind text NOT NULL,
    label text NOT NULL,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT nodes_attributes CHECK ((jsonb_typeof(attributes) = 'object'::text)),
    CONSTRAINT nodes_have_a_label CHECK ((label <> ''::text)),
    CONSTRAINT nodes_kind CHECK ((kind = ANY (ARRAY['person'::text, 'place'::text, 'thing'::text, 'idea'::text])))
);


--
-- Name: relationships; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.relationships (
    source_id uuid NOT NULL,
    target_id uuid NOT NULL,
    kind text NOT NULL,
    weight real DEFAULT 1 NOT NULL,
    CONSTRAINT relationships_have_a_kind CHECK ((kind <> ''::text)),
    CONSTRAINT relationships_join_two_nodes CHECK ((source_id <> target_id)),
    CONSTRAINT relationships_weight CHECK (((weight > (0)::double precision) AND (weight <= (1)::double precision)))
);


--
-- Name: utterances; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.utterances (
    id uuid DEFAULT public.uuid_generate_v4() NOT NULL,
    conversation_id uuid NOT NULL,
    "position" integer NOT NULL,
    speaker text NOT NULL,
    content text NOT NULL,
    spoken_at timestamp with time zone DEFAULT now() NOT NULL,
    words integer NOT NULL,
    CONSTRAINT utterances_are_counted CHECK (((words IS NOT NULL) AND (words >= 0))),
    CONSTRAINT utterances_have_a_content CHECK ((content <> ''::text)),
    CONSTRAINT utterances_have_a_speaker CHECK ((speaker <> ''::text)),
    CONSTRAINT utterances_position_check CHECK (("position" > 0))
);


--
-- Name: api_calls_log api_calls_log_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_calls_log
    ADD CONSTRAINT api_calls_log_pkey PRIMARY KEY (id);


--
-- Name: bookmarks bookmarks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bookmarks
    ADD CONSTRAINT bookmarks_pkey PRIMARY KEY (utterance_id);


--
-- Name: clusters clusters_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.clusters
    ADD CONSTRAINT clusters_pkey PRIMARY KEY (id);


--
-- Name: conversations conversations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_pkey PRIMARY KEY (id);


--
-- Name: edits_log edits_log_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.edits_log
    ADD CONSTRAINT edits_log_pkey PRIMARY KEY (id);


--
-- Name: nodes nodes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nodes
    ADD CONSTRAINT nodes_pkey PRIMARY KEY (id);


--
-- Name: relationships relationships_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.relationships
    ADD CONSTRAINT relationships_pkey PRIMARY KEY (source_id, target_id, kind);


--
-- Name: utterances utterances_conversation_id_position_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.utterances
    ADD CONSTRAINT utterances_conversation_id_position_key UNIQUE (conversation_id, "position");


--
-- Name: utterances utterances_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.utterances
    ADD CONSTRAINT utterances_pkey PRIMARY KEY (id);


--
-- Name: api_calls_log_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX api_calls_log_at ON public.api_calls_log USING brin (at);


--
-- Name: api_calls_log_failed; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX api_calls_log_failed ON public.api_calls_log USING btree (at) WHERE (status >= 500);


--
-- Name: clusters_label; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX clusters_label ON public.clusters USING btree (conversation_id, lower(label));


--
-- Name: conversations_by_title; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX conversations_by_title ON public.conversations USING btree (lower(title));


--
-- Name: conversations_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX conversations_open ON public.conversations USING btree (updated_at DESC) WHERE (closed_at IS NULL);


--
-- Name: edits_log_of_an_utterance; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX edits_log_of_an_utterance ON public.edits_log USING btree (utterance_id, edited_at DESC);


--
-- Name: nodes_attributes_are; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX nodes_attributes_are ON public.nodes USING gin (attributes jsonb_path_ops);


--
-- Name: nodes_label; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX nodes_label ON public.nodes USING btree (conversation_id, kind, lower(label));


--
-- Name: nodes_of_a_cluster; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX nodes_of_a_cluster ON public.nodes USING btree (cluster_id) WHERE (cluster_id IS NOT NULL);


--
-- Name: nodes_of_an_utterance; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX nodes_of_an_utterance ON public.nodes USING btree (utterance_id) WHERE (utterance_id IS NOT NULL);


--
-- Name: relationships_target; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX relationships_target ON public.relationships USING btree (target_id);


--
-- Name: utterances_in_english; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX utterances_in_english ON public.utterances USING gin (to_tsvector('english'::regconfig, ((speaker || ': '::text) || content)));


--
-- Name: bookmarks bookmarks_utterance; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bookmarks
    ADD CONSTRAINT bookmarks_utterance FOREIGN KEY (utterance_id) REFERENCES public.utterances(id) ON DELETE CASCADE;


--
-- Name: clusters clusters_conversation; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.clusters
    ADD CONSTRAINT clusters_conversation FOREIGN KEY (conversation_id) REFERENCES public.conversations(id) ON DELETE CASCADE;


--
-- Name: edits_log edits_log_utterance; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.edits_log
    ADD CONSTRAINT edits_log_utterance FOREIGN KEY (utterance_id) REFERENCES public.utterances(id) ON DELETE CASCADE;


--
-- Name: nodes nodes_cluster; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nodes
    ADD CONSTRAINT nodes_cluster FOREIGN KEY (cluster_id) REFERENCES public.clusters(id) ON DELETE SET NULL;


--
-- Name: nodes nodes_conversation; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nodes
    ADD CONSTRAINT nodes_conversation FOREIGN KEY (conversation_id) REFERENCES public.conversations(id) ON DELETE CASCADE;


--
-- Name: nodes nodes_utterance; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nodes
    ADD CONSTRAINT nodes_utterance FOREIGN KEY (utterance_id) REFERENCES public.utterances(id) ON DELETE SET NULL;


--
-- Name: relationships relationships_source; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.relationships
    ADD CONSTRAINT relationships_source FOREIGN KEY (source_id) REFERENCES public.nodes(id) ON DELETE CASCADE;


--
-- Name: relationships relationships_target; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.relationships
    ADD CONSTRAINT relationships_target FOREIGN KEY (target_id) REFERENCES public.nodes(id) ON DELETE CASCADE;


--
-- Name: utterances utterances_conversation; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.utterances
    ADD CONSTRAINT utterances_conversation FOREIGN KEY (conversation_id) REFERENCES public.conversations(id) ON DELETE CASCADE;


--
-- PostgreSQL database dump complete
--


