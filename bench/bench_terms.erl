%% Terms: there and back, and a million calls that must not make either side
%% grow.
-module(bench_terms).

-export([there_and_back/0, soak/0]).

-define(WARM_UP_CALLS, 100).
-define(CALLS, 1000).
-define(SOAK_CALLS, 1000000).
-define(SOAK_SETTLED_CALLS, 100000).
-define(SOAK_CALLERS, 8).
-define(CALL_MS, 30000).

-spec there_and_back() -> [bench_figure:figure()].
there_and_back() ->
    {ok, _} = application:ensure_all_started(pyport),
    Ints = lists:seq(1, 10000),
    Maps = [map_of_five(N) || N <- lists:seq(1, 1000)],
    Nested = [nested_map(N) || N <- lists:seq(1, 1000)],
    Megabyte = binary:copy(<<255>>, 1 bsl 20),
    [
        bench_figure:new(
            "10,000 ints there and back, p50",
            p50(Ints),
            "us",
            {at_most, 350},
            {at_most, 250}
        ),
        bench_figure:new(
            "1,000 maps of 5 there and back, p50",
            p50(Maps),
            "us",
            {at_most, 700},
            {at_most, 500}
        ),
        bench_figure:new(
            "1,000 maps of 5 with a list in each, p50", p50(Nested), "us"
        ),
        bench_figure:new(
            "64 KiB there and back, p50", p50(part(Megabyte)), "us"
        ),
        bench_figure:new(
            "1 MiB there and back, p50",
            p50(Megabyte),
            "us",
            {at_most, 400},
            {at_most, 220}
        )
    ].

-spec part(binary()) -> binary().
part(<<Part:65536/binary, _/binary>>) -> Part.

-spec map_of_five(integer()) -> #{binary() => term()}.
map_of_five(N) ->
    #{
        <<"id">> => N,
        <<"name">> => <<"customer">>,
        <<"score">> => N / 7,
        <<"active">> => N rem 2 =:= 0,
        <<"visits">> => N * 3
    }.

-spec nested_map(integer()) -> #{binary() => term()}.
nested_map(N) ->
    #{
        <<"id">> => N,
        <<"name">> => <<"customer ", (integer_to_binary(N))/binary>>,
        <<"score">> => N / 7,
        <<"active">> => N rem 2 =:= 0,
        <<"tags">> => [<<"a">>, <<"b">>, N]
    }.

-spec p50(term()) -> number().
p50(Term) ->
    _ = [echo(Term) || _ <- lists:seq(1, ?WARM_UP_CALLS)],
    bench_figure:median([echo_us(Term) || _ <- lists:seq(1, ?CALLS)]).

-spec echo_us(term()) -> float().
echo_us(Term) ->
    Started = erlang:monotonic_time(nanosecond),
    _ = echo(Term),
    (erlang:monotonic_time(nanosecond) - Started) / 1000.

%% typing.cast returns its second argument as it is.
-spec echo(term()) -> term().
echo(Term) ->
    {ok, Same} = py:call(typing, cast, [none, Term], #{}, ?CALL_MS),
    Same.

%% Memory is read when SOAK_SETTLED_CALLS have been made, and at the end.
-spec soak() -> [bench_figure:figure()].
soak() ->
    {ok, _} = application:ensure_all_started(pyport),
    OsPid = bench_os:host_pid(),
    ok = soak_calls(?SOAK_SETTLED_CALLS),
    Before = sizes(OsPid),
    ok = soak_calls(?SOAK_CALLS - ?SOAK_SETTLED_CALLS),
    After = sizes(OsPid),
    [
        bench_figure:new(
            Name ++ " after 1,000,000 calls: growth since 100,000",
            (Last - First) / 1024,
            "MB",
            {at_most, NoiseMb},
            none
        )
     || {{Name, First, NoiseMb}, {Name, Last, NoiseMb}} <-
            lists:zip(Before, After)
    ].

%% Name, KiB, and how many MB are noise: the BEAM's allocators keep carriers.
-spec sizes(pos_integer()) -> [{string(), non_neg_integer(), number()}].
sizes(OsPid) ->
    _ = [erlang:garbage_collect(Pid) || Pid <- erlang:processes()],
    [
        {"the program's RSS", bench_os:rss_kb(OsPid), 1},
        {"the BEAM's memory", erlang:memory(total) div 1024, 2}
    ].

-spec soak_calls(pos_integer()) -> ok.
soak_calls(Count) ->
    Each = Count div ?SOAK_CALLERS,
    Callers = [
        spawn_monitor(fun() -> soak_caller(Each, mixed_terms()) end)
     || _ <- lists:seq(1, ?SOAK_CALLERS)
    ],
    bench_wait:ended(Callers).

-spec soak_caller(non_neg_integer(), [term(), ...]) -> ok.
soak_caller(0, _) ->
    ok;
soak_caller(Left, [Term | Terms]) ->
    Term = echo(Term),
    soak_caller(Left - 1, Terms ++ [Term]).

-spec mixed_terms() -> [term(), ...].
mixed_terms() ->
    [
        1,
        -(1 bsl 70),
        3.25,
        <<"text">>,
        <<255, 0, 254>>,
        true,
        none,
        self(),
        make_ref(),
        [1, 2.5, <<"three">>, [4]],
        {1, {2, <<"two">>}},
        #{<<"key">> => [1, 2], <<"other">> => #{<<"deep">> => 1}},
        lists:seq(1, 100),
        binary:copy(<<"x">>, 5000)
    ].
