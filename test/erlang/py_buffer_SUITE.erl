%% Buffers and large payloads on the real program.
-module(py_buffer_SUITE).

-compile([export_all, nowarn_export_all]).

-import(py_buffer_case, [ctx/1, call/3, async/1, await/1]).

-define(MB, (1 bsl 20)).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [a_wrong_argument_is_named_with_what_is_accepted,
     what_is_no_buffer_is_refused,
     python_reads_what_was_written,
     any_iodata_may_be_written,
     info_tells_what_is_known,
     an_announced_length_is_enforced,
     an_announced_length_that_is_not_reached_is_an_os_error,
     a_limit_is_exact,
     a_buffer_in_a_term_comes_back_as_the_same_reference,
     a_buffer_lives_in_the_process_of_its_context,
     writes_and_calls_of_one_process_stay_in_order,
     large_arguments_and_results_are_equal,
     a_large_call_that_is_cancelled_frees_its_context,
     a_crash_in_a_large_call_is_told].

init_per_testcase(_, Config) ->
    py_buffer_case:start([], Config).

end_per_testcase(_, Config) ->
    py_case:stop(Config).

%% arguments

a_wrong_argument_is_named_with_what_is_accepted(_) ->
    [{error, {invalid_argument, options, _}} = py_buffer:new(Bad)
     || Bad <- [-1.0, foo, "abc", <<"1">>]],
    [{error, {invalid_option, content_length, _}} = py_buffer:new(Bad)
     || Bad <- [-1, 1 bsl 63, #{content_length => many},
                #{content_length => 2, max_size => 1}]],
    [{error, {invalid_option, Key, _}} = py_buffer:new(#{Key => Bad})
     || {Key, Bad} <- [{max_size, -1}, {max_size, big},
                       {overflow_threshold, -1}, {retain, some},
                       {window, 65535}, {window, 100000},
                       {window, 1 bsl 31}, {context, foo}, {contxt, self()}]],
    {error, {context_died, noproc}} = py_buffer:new(#{context => self()}),
    {ok, Buffer} = py_buffer:new(),
    [{error, {invalid_argument, data, _}} = py_buffer:write(Buffer, Bad)
     || Bad <- [foo, 1, [256], [<<1:4>>], #{}]],
    [{error, {invalid_argument, buffer, _}} = Call
     || Bad <- [foo, self(), <<>>],
        Call <- [py_buffer:write(Bad, <<"a">>), py_buffer:close(Bad),
                 py_buffer:info(Bad), py_buffer:give_away(Bad, self())]],
    {error, {invalid_argument, owner, _}} = py_buffer:give_away(Buffer, me).

%% doc: references, arrays of others, handles that nobody holds any more.
what_is_no_buffer_is_refused(_) ->
    [{error, invalid_buffer} = Call
     || Bad <- [make_ref(), atomics:new(1, []), atomics:new(20, []),
                counters:new(3, [write_concurrency])],
        is_reference(Bad),
        Call <- [py_buffer:write(Bad, <<"a">>), py_buffer:close(Bad),
                 py_buffer:info(Bad), py_buffer:give_away(Bad, self())]].

%% content

python_reads_what_was_written(Config) ->
    [begin
         {ok, Buffer} = py_buffer:new(Options),
         Data = rand:bytes(Bytes),
         Reader = async(fun() -> call(Config, everything, [Buffer]) end),
         ok = py_buffer:write(Buffer, Data),
         ok = py_buffer:close(Buffer),
         ok = py_buffer:close(Buffer),
         {ok, Data} = await(Reader)
     end || Bytes <- [0, 1, 100, 20000, 3 * ?MB],
            Options <- [undefined, Bytes, #{retain => all}]],
    ok.

any_iodata_may_be_written(Config) ->
    {ok, Buffer} = py_buffer:new(),
    Large = binary:copy(<<"0123456789">>, 20000),
    Data = [[], <<>>, "abc", [<<"d">>, [$e | <<"f">>]], Large, "g",
            [[Large]]],
    ok = py_buffer:write(Buffer, Data),
    ok = py_buffer:write(Buffer, []),
    ok = py_buffer:close(Buffer),
    Expected = iolist_to_binary(Data),
    {ok, Expected} = call(Config, everything, [Buffer]).

info_tells_what_is_known(Config) ->
    Self = self(),
    {ok, Buffer} = py_buffer:new(#{max_size => 1000, retain => all}),
    ok = py_buffer:write(Buffer, <<"0123456789">>),
    {ok, <<"0123">>} = call(Config, exactly, [Buffer, 4]),
    #{written := 10, read := 4, unread := 6, kept := 10, state := open,
      content_length := undefined, max_size := 1000, file_bytes := 0,
      memory_bytes := Memory, owner := Self} = py_buffer:info(Buffer),
    true = Memory >= 10,
    ok = py_buffer:close(Buffer),
    #{state := ended} = py_buffer:info(Buffer),
    {ok, Known} = py_buffer:new(5),
    #{content_length := 5, max_size := infinity} = py_buffer:info(Known).

%% doc: no byte more, and no close is needed.
an_announced_length_is_enforced(Config) ->
    {ok, Buffer} = py_buffer:new(5),
    ok = py_buffer:write(Buffer, <<"abc">>),
    {error, too_large} = py_buffer:write(Buffer, <<"def">>),
    ok = py_buffer:write(Buffer, <<"de">>),
    {ok, <<"abcde">>} = call(Config, everything, [Buffer]).

an_announced_length_that_is_not_reached_is_an_os_error(Config) ->
    {ok, Buffer} = py_buffer:new(5),
    ok = py_buffer:write(Buffer, <<"abc">>),
    ok = py_buffer:close(Buffer),
    {error, {'BrokenPipeError', _}} = call(Config, everything, [Buffer]).

%% doc: many processes, and exactly as many bytes as there is room for.
a_limit_is_exact(Config) ->
    {ok, Buffer} = py_buffer:new(#{max_size => 100000}),
    Writers = [async(fun() -> py_buffer:write(Buffer, rand:bytes(1000)) end)
               || _ <- lists:seq(1, 150)],
    Results = [await(Writer) || Writer <- Writers],
    100 = length([ok || ok <- Results]),
    50 = length([no || {error, too_large} <- Results]),
    ok = py_buffer:close(Buffer),
    {ok, {100000, _}} = call(Config, digest, [Buffer]).

%% references

a_buffer_in_a_term_comes_back_as_the_same_reference(Config) ->
    {ok, Buffer} = py_buffer:new(),
    {ok, Other} = py_buffer:new(10),
    Term = #{<<"a">> => [Buffer, {Other, 1}], 2 => #{<<"b">> => Buffer}},
    {ok, Term} = call(Config, same, [Term]),
    {ok, {Buffer, Other}} = py_context:eval(ctx(Config), <<"(x, y)">>,
                                            #{x => Buffer, y => Other}),
    {ok, <<"PyBuffer">>} = py_context:eval(ctx(Config),
                                           <<"type(x).__name__">>,
                                           #{x => Buffer}),
    ok = py_buffer:write(Buffer, <<"still there">>),
    ok = py_buffer:write(binary_to_term(term_to_binary(Other)), <<"too">>).

%% doc: each isolated context is a process of its own.
a_buffer_lives_in_the_process_of_its_context(_) ->
    {ok, Ctx} = py_context:new(py_case:with_programs(#{mode => isolated})),
    {ok, Buffer} = py_buffer:new(#{context => Ctx}),
    ok = py_buffer:write(Buffer, <<"there">>),
    ok = py_buffer:close(Buffer),
    {ok, <<"there">>} = py_context:call(Ctx, reads, everything, [Buffer]),
    ok = py_context:stop(Ctx),
    {error, {context_died, noproc}} = py_buffer:write(Buffer, <<"gone">>),
    #{state := context_died, written := 5, owner := undefined} =
        py_buffer:info(Buffer),
    ok = py_buffer:close(Buffer).

%% order

%% doc: sizes on both sides of each threshold; every call finds what was
%% written before it.
writes_and_calls_of_one_process_stay_in_order(Config) ->
    Sizes = [1, 100, 16383, 16384, 70000, 3, 200000],
    Step = fun(N, {Buffers, Count}) ->
        Buffer = element(1 + N rem 3, Buffers),
        Bytes = lists:nth(1 + (N * 5) rem 7, Sizes),
        Data = rand:bytes(Bytes),
        ok = py_buffer:write(Buffer, Data),
        case N rem 4 of
            0 ->
                ok = drained(Config, Buffers, Count, Buffer, Data),
                {Buffers, #{}};
            _ ->
                Before = maps:get(Buffer, Count, <<>>),
                {Buffers, Count#{Buffer => <<Before/binary, Data/binary>>}}
        end
    end,
    Buffers = list_to_tuple([element(2, py_buffer:new(#{retain => all}))
                             || _ <- [1, 2, 3]]),
    {_, _} = lists:foldl(Step, {Buffers, #{}}, lists:seq(1, 200)),
    ok.

%% What is there can be read without a wait, in one call for all buffers.
drained(Config, Buffers, Count0, Last, Data) ->
    Before = maps:get(Last, Count0, <<>>),
    Count = Count0#{Last => <<Before/binary, Data/binary>>},
    Expected = [maps:get(Each, Count, <<>>) || Each <- tuple_to_list(Buffers)],
    Code = <<"[b.read_nonblock(1 << 24) if b.readable_amount() else b''"
             " for b in bs]">>,
    {ok, Read} = py_context:eval(ctx(Config), Code,
                                 #{bs => tuple_to_list(Buffers)}),
    true = Expected =:= Read,
    ok.

large_arguments_and_results_are_equal(Config) ->
    [begin
         Data = rand:bytes(Bytes),
         {ok, Data} = call(Config, same, [Data]),
         Term = #{<<"a">> => [Data, {Data}]},
         {ok, Term} = call(Config, same, [Term])
     end || Bytes <- [98304 - 60, 98304, ?MB, 20 * ?MB]],
    %% Common Test writes down what a case returns.
    ok.

a_large_call_that_is_cancelled_frees_its_context(Config) ->
    {Listen, Port} = py_case:listen(),
    {Pid, Monitor} = async(fun() ->
        call(Config, wait_with, [Port, rand:bytes(?MB)])
    end),
    Socket = py_case:announced(Listen),
    true = exit(Pid, kill),
    receive {'DOWN', Monitor, process, Pid, killed} -> ok end,
    %% The interrupt comes when the blocking call is over.
    ok = gen_tcp:close(Socket),
    {ok, 1} = call(Config, same, [1]).

a_crash_in_a_large_call_is_told(_) ->
    {ok, Ctx} = py_context:new(py_case:with_programs(#{mode => isolated})),
    true = unlink(Ctx),
    {error, {context_died, #{reason := {signal, 9}}}} =
        py_context:call(Ctx, reads, crash_with, [rand:bytes(20 * ?MB)]).
