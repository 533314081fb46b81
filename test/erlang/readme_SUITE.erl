%% What the documents show is true: their blocks of Erlang run as they stand.
-module(readme_SUITE).

-export([all/0, init_per_testcase/2, end_per_testcase/2]).
-compile([export_all, nowarn_export_all]).

all() ->
    [
        the_lines_of_the_readme_run,
        the_readme_names_the_version,
        buffers_md_runs,
        channels_md_runs,
        calls_md_runs,
        contexts_md_runs,
        crash_md_runs,
        timeouts_md_runs,
        errors_md_runs,
        limits_md_runs,
        configuration_md_runs,
        configuration_md_names_every_key
    ].

init_per_testcase(_, Config) ->
    ok = py_case:start([{num_contexts, 2}]),
    Config.

end_per_testcase(_, Config) ->
    py_case:stop(Config).

%% Only the blocks behind a marker: the others need files and programs.
the_lines_of_the_readme_run(_) ->
    [_ | Marked] = [_, _, _, _] = binary:split(
        read("README.md"), <<"<!-- readme_SUITE -->">>, [global]
    ),
    [ok = run([], element(2, hd(blocks(Text)))) || Text <- Marked].

the_readme_names_the_version(_) ->
    {ok, Version} = application:get_key(pyport, vsn),
    {match, [Named]} = re:run(
        read("README.md"),
        "version ([0-9]+\\.[0-9]+)",
        [{capture, all_but_first, list}]
    ),
    true = lists:prefix(Named ++ ".", Version).

buffers_md_runs(_) -> run_all("docs/buffers.md").

channels_md_runs(_) -> run_all("docs/channels.md").

calls_md_runs(_) -> run_all("docs/calls.md").

contexts_md_runs(_) -> run_all("docs/contexts.md").

crash_md_runs(_) -> run_all("docs/crash.md").

timeouts_md_runs(_) -> run_all("docs/timeouts.md").

errors_md_runs(_) -> run_all("docs/errors.md").

limits_md_runs(_) -> run_all("docs/limits.md").

configuration_md_runs(_) -> run_all("docs/configuration.md").

configuration_md_names_every_key(_) ->
    Text = read("docs/configuration.md"),
    [] = [
        Key
     || {Key, _, _, _} <- pyport_config:keys(),
        binary:match(Text, <<"`", (atom_to_binary(Key))/binary, "`">>) =:=
            nomatch
    ].

%% Internal.

run_all(File) ->
    Blocks = [_ | _] = blocks(read(File)),
    [] = lists:foldl(fun run_block/2, [], Blocks).

%% Python is for the block of Erlang behind it.
run_block({<<"python">>, Code}, Codes) ->
    [Code | Codes];
run_block({<<"erlang">>, Block}, Codes) ->
    ok = run(lists:reverse(Codes), Block),
    [].

read(File) ->
    {ok, Text} = file:read_file(filename:join(root(py_case:programs()), File)),
    Text.

%% The suites may run from a copy below the build directory.
root("/") ->
    error(no_readme);
root(Dir) ->
    case filelib:is_regular(filename:join(Dir, "README.md")) of
        true -> Dir;
        false -> root(filename:dirname(Dir))
    end.

blocks(Text) ->
    Options = [global, {capture, all_but_first, binary}, dotall, unicode],
    case re:run(Text, "```(erlang|python)\n(.*?)```", Options) of
        {match, Blocks} -> [{Language, Block} || [Language, Block] <- Blocks];
        nomatch -> []
    end.

%% Like a reader who types the block into a shell: in a process of its own,
%% which a linked context may take along.
run(Codes, Block) ->
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Block)),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {_, Monitor} = spawn_monitor(fun() ->
        lists:foreach(fun(Code) -> ok = py:exec(Code) end, Codes),
        {value, _, _} = erl_eval:exprs(Expressions, [])
    end),
    case py_case:down(Monitor) of
        normal -> ok;
        Reason -> error({block_failed, Block, Reason})
    end.
