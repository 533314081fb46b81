%% @private
%% @doc The requests that wait while the program starts. Pure. The link
%% bounds their number and bytes together with those in flight.
-module(pyport_held).

-export([new/0, add/3, take/2, count/1, bytes/1, in_order/1,
         answer_all/2]).

-export_type([held/0, request/0]).

-type request() :: {request, pid(), reference(), call | eval | exec,
                    non_neg_integer(), pyport_callers:env(), byte(),
                    timeout(), binary()}.
-record(held, {
    count = 0 :: non_neg_integer(),
    bytes = 0 :: non_neg_integer(),
    %% last first
    requests = [] :: [{request(), ArrivedMs :: integer()}]
}).
-opaque held() :: #held{}.

-spec new() -> held().
new() -> #held{}.

-spec add(request(), integer(), held()) -> held().
add(Request, NowMs, #held{count = Count, bytes = Bytes, requests = All}) ->
    #held{count = Count + 1, bytes = Bytes + byte_size(element(9, Request)),
          requests = [{Request, NowMs} | All]}.

%% @doc Takes out the request with this reference.
-spec take(reference(), held()) -> {request(), held()} | error.
take(Ref, #held{count = Count, bytes = Bytes, requests = All}) ->
    case [Held || {Request, _} = Held <- All, element(3, Request) =:= Ref] of
        [{Request, _} = Held] ->
            Left = #held{count = Count - 1,
                         bytes = Bytes - byte_size(element(9, Request)),
                         requests = lists:delete(Held, All)},
            {Request, Left};
        [] ->
            error
    end.

-spec count(held()) -> non_neg_integer().
count(#held{count = Count}) -> Count.

-spec bytes(held()) -> non_neg_integer().
bytes(#held{bytes = Bytes}) -> Bytes.

%% @doc First come, first served.
-spec in_order(held()) -> [{request(), ArrivedMs :: integer()}].
in_order(#held{requests = All}) -> lists:reverse(All).

%% @doc Gives everybody the same error.
-spec answer_all(term(), held()) -> ok.
answer_all(Reason, #held{requests = All}) ->
    _ = [Caller ! {Ref, error, Reason}
         || {{request, Caller, Ref, _, _, _, _, _, _}, _} <- All],
    ok.
