%% Several calls at the same time: one process per context, and each takes
%% every Nth call, so that the number of processes is that of the contexts.
%% @private
-module(pyport_parallel).

-export([run/2, map/1]).

-type call() :: {py:py_module(), py:py_func(), [term()]}.

%% The values in order, or the first error in that order.
-spec run(term(), timeout()) -> {ok, [term()]} | {error, py:reason()}.
run([], _Timeout) ->
    {ok, []};
run(Calls, Timeout) ->
    case check(Calls) of
        ok -> spread(Calls, py_context_router:contexts(), Timeout);
        Invalid -> Invalid
    end.

%% The same by name, one after the other in the caller's context.
-spec map(#{atom() => call()}) -> {ok, map()} | {error, py:reason()}.
map(Calls) ->
    maps:fold(
        fun
            (Name, {M, F, Args}, {ok, Values}) ->
                named(Name, py:call(M, F, Args), Values);
            (_, _, Error) ->
                Error
        end,
        {ok, #{}},
        Calls
    ).

%% Internal.

-spec check(term()) -> ok | pyport_args:invalid().
check([]) ->
    ok;
check([{_, _, Args} | Calls]) when is_list(Args) ->
    check(Calls);
check(_) ->
    pyport_args:invalid(calls, <<"a list of {Module, Function, Args}">>).

-spec spread([call()], [pid()], timeout()) ->
    {ok, [term()]} | {error, py:reason()}.
spread(_, [], _) ->
    pyport_pool:missing(default);
spread(Calls, Contexts, Timeout) ->
    Runs = [
        fun() -> in_turn(Slice, Ctx, Timeout) end
     || {Ctx, Slice} <- deal(lists:enumerate(Calls), Contexts), Slice =/= []
    ],
    values(lists:sort(lists:append(pyport_task:run_all(Runs)))).

-spec deal([{pos_integer(), call()}], [pid()]) ->
    [{pid(), [{pos_integer(), call()}]}].
deal(Calls, Contexts) ->
    Size = length(Contexts),
    [
        {Ctx, [Call || {I, _} = Call <- Calls, I rem Size =:= N rem Size]}
     || {N, Ctx} <- lists:enumerate(Contexts)
    ].

-spec in_turn([{pos_integer(), call()}], pid(), timeout()) ->
    [{pos_integer(), py:result()}].
in_turn(Slice, Ctx, Timeout) ->
    [
        {I, pyport_call:call(Ctx, none, M, F, Args, #{}, {Timeout, 0})}
     || {I, {M, F, Args}} <- Slice
    ].

-spec values([{pos_integer(), py:result()}]) ->
    {ok, [term()]} | {error, py:reason()}.
values(Results) ->
    case [Error || {_, {error, _} = Error} <- Results] of
        [First | _] -> First;
        [] -> {ok, [Value || {_, {ok, Value}} <- Results]}
    end.

-spec named(atom(), py:result(), map()) -> {ok, map()} | {error, py:reason()}.
named(Name, {ok, Value}, Values) -> {ok, Values#{Name => Value}};
named(_, {error, _} = Error, _) -> Error.
