%% What a program prints: lines, their limits, their sinks.
-module(pyport_stdio_SUITE).

-compile([export_all, nowarn_export_all]).

-define(CALL_MS, 10000).
-define(WAIT_MS, 10000).

suite() ->
    [{timetrap, {seconds, 30}}].

all() ->
    [a_printed_line_names_its_context_and_host,
     raw_bytes_arrive_line_by_line_without_a_context,
     a_flood_is_cut_and_counted,
     a_sink_that_is_null_takes_nothing,
     the_backlog_of_the_link_is_bounded,
     a_device_that_never_answers_stops_nobody,
     a_device_that_is_slow_costs_the_lines_beyond_the_backlog,
     what_was_printed_before_the_end_is_written,
     standard_streams_that_do_not_listen_are_named,
     the_name_of_a_directory_cannot_be_guessed,
     a_line_may_arrive_in_any_pieces,
     a_long_line_comes_in_pieces_cut_between_characters,
     bytes_that_are_no_text_are_replaced,
     the_limiter_lets_a_burst_pass_and_then_its_rate,
     the_limiter_reports_what_it_dropped_once].

init_per_testcase(Case, Config) ->
    ok = pyport_case:start(settings(Case)),
    Config.

end_per_testcase(_, _) ->
    pyport_case:stop().

settings(a_flood_is_cut_and_counted) ->
    [{output_lines_per_s, 10}, {stdout, {pid, self()}}];
settings(a_sink_that_is_null_takes_nothing) ->
    [{stdout, null}, {stderr, {pid, self()}}];
settings(_) ->
    [{stdout, {pid, self()}}, {stderr, {pid, self()}}].

%% doc: what Python printed comes over the link.
a_printed_line_names_its_context_and_host(_) ->
    Host = pyport_case:host(),
    {_, Number} = Place = pyport_case:context(Host),
    {ok, print} = pyport_case:call(Place, print, ?CALL_MS),
    #{host := Host, context := Number, stream := stdout,
      line := <<"printed">>} = output().

%% doc: what was written to the descriptors has no context.
raw_bytes_arrive_line_by_line_without_a_context(_) ->
    Host = pyport_case:host(),
    Place = pyport_case:context(Host),
    {error, _} = pyport_case:call(Place, die_segv, ?CALL_MS),
    #{host := Host, context := undefined, stream := stderr,
      line := <<"said before">>} = output(),
    #{line := <<"Fatal Python error: Segmentation fault">>} = output().

%% doc: 5000 lines at once, of which the burst passes.
a_flood_is_cut_and_counted(_) ->
    Place = pyport_case:context(pyport_case:host()),
    {ok, flood} = pyport_case:call(Place, flood, ?CALL_MS),
    [#{line := <<"line">>} = output() || _ <- lists:seq(1, 20)],
    <<"pyport: ", Rest/binary>> = until_report(),
    {match, _} = re:run(Rest, "^[0-9]+ lines of output dropped").

%% doc: null is a place to go.
a_sink_that_is_null_takes_nothing(_) ->
    Place = pyport_case:context(pyport_case:host()),
    {ok, print} = pyport_case:call(Place, print, ?CALL_MS),
    {error, _} = pyport_case:call(Place, die_segv, ?CALL_MS),
    #{stream := stderr} = output().

%% doc: a link never waits for who takes its lines.
the_backlog_of_the_link_is_bounded(_) ->
    Backlog = atomics:new(2, [{signed, true}]),
    Line = {1, 1, <<"x">>},
    Offer = fun() -> pyport_stdio:offer(self(), Backlog, Line, 2) end,
    [ok = Offer() || _ <- lists:seq(1, 5)],
    2 = atomics:get(Backlog, 1),
    3 = atomics:get(Backlog, 2),
    [receive {output, {1, 1, <<"x">>}} -> ok end || _ <- [1, 2]],
    receive {output, _} -> error(too_many) after 0 -> ok end.

%% doc: a terminal that was stopped, or a node that is gone.
a_device_that_never_answers_stops_nobody(_) ->
    Stuck = spawn_link(fun() -> receive never -> ok end end),
    {ok, Host} = pyport_case:host(#{stdout => {group_leader, Stuck},
                                    stderr => {group_leader, Stuck}}),
    Place = pyport_case:context(Host),
    {ok, print} = pyport_case:call(Place, print, ?CALL_MS),
    {error, {context_died, #{stderr := <<"said before", _/binary>>}}} =
        pyport_case:call(Place, die_segv, ?CALL_MS),
    {ok, again} = pyport_case:call(Place, again, infinity).

%% doc: they are counted, and the device hears of it when it is back.
a_device_that_is_slow_costs_the_lines_beyond_the_backlog(_) ->
    {ok, Writer} = pyport_writer:start_link({group_leader, self()}),
    Tag = #{host => self(), context => undefined, stream => stdout},
    ok = pyport_writer:write(Tag, [<<"first">>], Writer),
    {<<"first\n">>, Answer} = asked(),
    Lines = lists:duplicate(4100, <<"x">>),
    ok = pyport_writer:write(Tag, Lines, Writer),
    ok = pyport_writer:write(Tag, [<<"lost">>], Writer),
    Answer(),
    {<<"pyport: 102 lines of output dropped", _/binary>>, Answer1} = asked(),
    Answer1(),
    {Kept, Answer2} = asked(),
    3999 * 2 = byte_size(Kept),
    Answer2(),
    ok = pyport_writer:write(Tag, [<<"last">>], Writer),
    {<<"last\n">>, Answer3} = asked(),
    Answer3(),
    ok = pyport_writer:stop(Writer).

%% doc: the writer ends when it is done.
what_was_printed_before_the_end_is_written(_) ->
    Device = spawn_link(fun() -> device([]) end),
    {ok, Writer} = pyport_writer:start_link({group_leader, Device}),
    Tag = #{host => self(), context => undefined, stream => stdout},
    [ok = pyport_writer:write(Tag, [<<"line">>], Writer)
     || _ <- lists:seq(1, 100)],
    ok = pyport_writer:stop(Writer),
    Device ! {what, self()},
    receive {written, Count} -> 100 = Count end.

%% doc: whoever starts the program does not wait for ever.
standard_streams_that_do_not_listen_are_named(_) ->
    Deaf = spawn_link(fun() -> receive never -> ok end end),
    {error, {stdio_timeout, _}} = pyport_stdio:listen(Deaf, none).

%% doc: whoever guesses it could take it before us.
the_name_of_a_directory_cannot_be_guessed(_) ->
    {ok, Dir} = pyport_tmp:create(pyport_tmp:default()),
    {ok, Other} = pyport_tmp:create(pyport_tmp:default()),
    [{match, _} = re:run(filename:basename(Name), "^pyport-[0-9A-Z]{13}$")
     || Name <- [Dir, Other]],
    true = Dir =/= Other,
    {ok, {file_info, _, directory, _, _, _, _, Mode, _, _, _, _, _, _}} =
        file:read_file_info(Dir),
    8#700 = Mode band 8#777,
    [ok = pyport_tmp:remove({Name, []}) || Name <- [Dir, Other]].

%% doc: a stream has no borders but the newline.
a_line_may_arrive_in_any_pieces(_) ->
    Lines0 = pyport_lines:new(80),
    {[], Lines1} = pyport_lines:feed(<<"on">>, Lines0),
    {[<<"one">>, <<>>], Lines2} = pyport_lines:feed(<<"e\n\ntw">>, Lines1),
    [<<"tw">>] = pyport_lines:rest(Lines2),
    {[<<"two">>], Lines3} = pyport_lines:feed(<<"o\n">>, Lines2),
    [] = pyport_lines:rest(Lines3).

%% doc: no line grows without a bound, and no character is torn.
a_long_line_comes_in_pieces_cut_between_characters(_) ->
    Lines = pyport_lines:new(4),
    {[<<"abcd">>, <<"ef">>], _} = pyport_lines:feed(<<"abcdef\n">>, Lines),
    {[<<"abc">>], Rest} = pyport_lines:feed(<<"abcé"/utf8>>, Lines),
    [<<"é"/utf8>>] = pyport_lines:rest(Rest).

%% doc: each byte that is no text is one replacement character.
bytes_that_are_no_text_are_replaced(_) ->
    <<"ab">> = pyport_lines:valid(<<"ab">>),
    <<"a", 16#FFFD/utf8, "b", 16#FFFD/utf8>> =
        pyport_lines:valid(<<"a", 255, "b", 254>>).

%% doc: time is an argument, so no clock is waited for.
the_limiter_lets_a_burst_pass_and_then_its_rate(_) ->
    Limiter0 = pyport_limiter:new(10, 0),
    {20, 0, Limiter1} = pyport_limiter:take(25, 0, Limiter0),
    {0, 0, Limiter2} = pyport_limiter:take(1, 99, Limiter1),
    {1, 6, _} = pyport_limiter:take(1, 100, Limiter2).

%% doc: the report takes a line's place itself.
the_limiter_reports_what_it_dropped_once(_) ->
    {20, 0, Limiter1} = pyport_limiter:take(25, 0, pyport_limiter:new(10, 0)),
    5 = pyport_limiter:dropped(Limiter1),
    {0, Limiter2} = pyport_limiter:report(50, Limiter1),
    {5, Limiter3} = pyport_limiter:report(1000, Limiter2),
    0 = pyport_limiter:dropped(Limiter3).

%% Internal.

output() ->
    receive {py_output, Output} -> Output after ?WAIT_MS -> error(silence) end.

%% The text that a device is to write, and how to answer.
asked() ->
    receive
        {io_request, From, As, {put_chars, unicode, Chars}} ->
            {unicode:characters_to_binary(Chars),
             fun() -> From ! {io_reply, As, ok} end}
    after ?WAIT_MS -> error(silence)
    end.

device(Written) ->
    receive
        {what, Pid} ->
            Pid ! {written, length(Written)};
        {io_request, From, As, {put_chars, unicode, Chars}} ->
            From ! {io_reply, As, ok},
            device([Chars | Written])
    end.

until_report() ->
    case output() of
        #{line := <<"line">>} -> until_report();
        #{line := Report} -> Report
    end.
