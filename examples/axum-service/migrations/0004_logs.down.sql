DROP TABLE api_calls_log, edits_log;
