SELECT indisunique AND indisvalid AND pg_get_expr(indpred, indrelid) = '(returned_at IS NULL)' AS one_by_one
FROM pg_index
WHERE indexrelid = 'loans_of_a_tool_one_by_one'::regclass;
