%% What Python, C code and children print arrives line by line, and never in
%% the protocol.
-module(output_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-compile([export_all, nowarn_export_all]).

all() ->
    [
        a_print_arrives_as_a_line,
        stderr_is_told_from_stdout,
        output_of_c_code_arrives,
        output_of_a_child_arrives,
        lines_are_put_together_from_pieces,
        bytes_that_are_no_text_arrive_as_text,
        a_worker_tags_its_lines,
        a_thread_of_python_belongs_to_no_context,
        a_forked_child_prints_too,
        a_flood_is_limited_and_counted,
        a_flood_does_not_stop_calls,
        reading_stdin_is_the_end_of_file,
        null_drops_what_is_printed,
        lines_that_came_together_are_one_log_event
    ].

init_per_suite(Config) ->
    ok = py_case:start([{num_contexts, 1}]),
    Config.

end_per_suite(Config) ->
    py_case:stop(Config).

a_print_arrives_as_a_line(_) ->
    Ctx = new(),
    {ok, none} = py_context:call(Ctx, prints, from_python, [<<"one\ntwo">>]),
    #{stream := stdout, line := <<"one">>} = line(),
    #{stream := stdout, line := <<"two">>} = line(),
    {ok, none} = py_context:call(Ctx, prints, from_python, [<<"hé"/utf8>>]),
    #{line := <<"hé"/utf8>>} = line().

stderr_is_told_from_stdout(_) ->
    Ctx = new(),
    {ok, none} =
        py_context:call(Ctx, prints, from_python_to_stderr, [<<"oh">>]),
    #{stream := stderr, line := <<"oh">>} = line().

output_of_c_code_arrives(_) ->
    Ctx = new(),
    {ok, none} = py_context:call(Ctx, prints, from_c, [<<"from C">>]),
    #{stream := stdout, line := <<"from C">>} = line().

output_of_a_child_arrives(_) ->
    Ctx = new(),
    {ok, none} = py_context:call(Ctx, prints, from_child, [<<"a child">>]),
    #{stream := stdout, line := <<"a child">>} = line().

lines_are_put_together_from_pieces(_) ->
    Ctx = new(),
    {ok, 1} =
        py_context:call(Ctx, prints, from_descriptor, [1, {bytes, <<"a">>}]),
    {ok, 4} =
        py_context:call(Ctx, prints, from_descriptor, [
            1, {bytes, <<"b\nc\n">>}
        ]),
    #{line := <<"ab">>} = line(),
    #{line := <<"c">>} = line().

bytes_that_are_no_text_arrive_as_text(_) ->
    Ctx = new(),
    Bytes = {bytes, <<"x", 255, "y\n">>},
    {ok, 4} = py_context:call(Ctx, prints, from_descriptor, [1, Bytes]),
    #{line := Line} = line(),
    Text = unicode:characters_to_list(Line),
    true = is_list(Text),
    $x = hd(Text).

a_worker_tags_its_lines(Config) ->
    ok = py_case:stop(Config),
    ok = py_case:start([{num_contexts, 1}, {stdout, {pid, self()}}]),
    [Ctx] = py_context_router:contexts(),
    {ok, none} = py_context:call(Ctx, builtins, print, [<<"tagged">>]),
    #{context := Context, line := <<"tagged">>} = line(),
    true = is_integer(Context).

a_thread_of_python_belongs_to_no_context(_) ->
    Ctx = new(),
    {ok, none} = py_context:call(Ctx, prints, from_thread, [<<"apart">>]),
    #{context := undefined, line := <<"apart">>} = line().

a_forked_child_prints_too(_) ->
    Ctx = new(),
    {ok, 0} = py_context:call(Ctx, prints, from_forked, [<<"a fork">>]),
    #{stream := stdout, line := <<"a fork">>} = line(),
    {ok, 4.0} = py_context:call(Ctx, math, sqrt, [16]).

lines_that_came_together_are_one_log_event(_) ->
    Tag = #{host => self(), context => 1, stream => stderr},
    ok = logger:add_handler(?MODULE, ?MODULE, #{config => self()}),
    ok = pyport_sink:write(logger, Tag, [<<"one">>, <<"two">>]),
    ok = pyport_sink:write(logger, Tag, [<<"three">>]),
    ok = logger:remove_handler(?MODULE),
    #{lines := [<<"one">>, <<"two">>]} = logged(),
    #{line := <<"three">>} = logged().

%% The logger's callback.
log(#{msg := {report, Report}}, #{config := Test}) ->
    Test ! {logged, Report}.

logged() ->
    receive {logged, #{what := python_output} = Report} -> Report
    after 5000 -> error(not_logged)
    end.

a_flood_is_limited_and_counted(_) ->
    Ctx = new(),
    {ok, none} = py_context:call(Ctx, prints, many, [20000]),
    {ok, none} = py_context:call(Ctx, prints, from_python, [<<"the end">>]),
    {ok, 4.0} = py_context:call(Ctx, math, sqrt, [16]),
    #{line := <<"line 0">>} = line(),
    Lines = lines_so_far(),
    true = length(Lines) < 20000.

a_flood_does_not_stop_calls(_) ->
    Ctx = new(),
    Flood = py:spawn_call(Ctx, prints, many, [20000]),
    {ok, 4.0} = py:call(math, sqrt, [16]),
    {ok, none} = py:await(Flood).

reading_stdin_is_the_end_of_file(_) ->
    {error, {'EOFError', _}} = py:call(builtins, input, []),
    {ok, <<>>} = py:eval(<<"__import__('sys').stdin.read()">>).

null_drops_what_is_printed(_) ->
    {ok, Ctx} = py_context:new(
        py_case:with_programs(#{mode => isolated, stdout => null})
    ),
    {ok, none} = py_context:call(Ctx, prints, from_python, [<<"lost">>]),
    ok = py_context:stop(Ctx).

%% Internal.

new() ->
    Sink = {pid, self()},
    {ok, Ctx} = py_context:new(
        py_case:with_programs(#{
            mode => isolated, stdout => Sink, stderr => Sink
        })
    ),
    Ctx.

line() ->
    receive
        {py_output, Output} -> Output
    after 10000 -> error(no_line)
    end.

lines_so_far() ->
    receive
        {py_output, #{line := Line}} -> [Line | lines_so_far()]
    after 0 -> []
    end.
