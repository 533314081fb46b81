%% @private
%% @doc The requests that wait in a link while the program starts. The link
%% bounds their number and bytes together with those in flight. A request
%% with a deadline has a timer, `{timeout, _, {held, Ref}}' to the link. One
%% for the bulk lane is never here.
-module(pyport_held).

-export([new/0, add/3, expire/2, release/2, answer_all/2, count/1, bytes/1]).

-export_type([held/0, request/0]).

-type request() :: {request, pid(), reference(), call | eval | exec,
                    non_neg_integer(), pyport_callers:env(), byte(),
                    timeout(),
                    Payload :: binary() | {bulk, Bytes :: pos_integer()}}.
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
add({request, Caller, Ref, _, _, _, _, Timeout, Term} = Request, NowMs,
    #held{count = Count, bytes = Bytes, requests = All}) ->
    ok = pyport_callers:meet(Caller),
    _ = [erlang:start_timer(pyport_inflight:timeout_ms(Timeout), self(),
                            {held, Ref}) || Timeout =/= infinity],
    #held{count = Count + 1, bytes = Bytes + byte_size(Term),
          requests = [{Request, NowMs} | All]}.

%% @doc Answers the request whose timer fired, if it is still here.
-spec expire(reference(), held()) -> held().
expire(Ref, #held{count = Count, bytes = Bytes, requests = All} = Held) ->
    case [Each || {Request, _} = Each <- All, element(3, Request) =:= Ref] of
        [{{request, Caller, Ref, _, _, _, _, _, Term}, _} = Each] ->
            Caller ! {Ref, error, timeout},
            #held{count = Count - 1, bytes = Bytes - byte_size(Term),
                  requests = lists:delete(Each, All)};
        [] ->
            Held
    end.

%% @doc First come, first served, without those whose caller died. The time
%% that a request was held is time that it does not have any more.
-spec release(integer(), held()) -> [request()].
release(NowMs, #held{requests = All}) ->
    [setelement(8, Request, left(element(8, Request), NowMs - ArrivedMs))
     || {Request, ArrivedMs} <- lists:reverse(All),
        pyport_callers:is_known(element(2, Request))].

-spec left(timeout(), integer()) -> timeout().
left(infinity, _) -> infinity;
left(Ms, HeldMs) -> max(1, Ms - HeldMs).

-spec count(held()) -> non_neg_integer().
count(#held{count = Count}) -> Count.

-spec bytes(held()) -> non_neg_integer().
bytes(#held{bytes = Bytes}) -> Bytes.

%% @doc Gives everybody the same error.
-spec answer_all(term(), held()) -> ok.
answer_all(Reason, #held{requests = All}) ->
    _ = [Caller ! {Ref, error, Reason}
         || {{request, Caller, Ref, _, _, _, _, _, _}, _} <- All],
    ok.
