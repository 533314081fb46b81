%% @private
%% @doc The requests, new buffers and channels that wait in a link while the
%% program starts. The link bounds the number and bytes of the requests
%% together with those in flight. A request with a deadline has a timer,
%% `{timeout, _, {held, Ref}}' to the link. One for the bulk lane is never
%% here.
-module(pyport_held).

-export([new/0, add/3, expire/2, release/2, answer_all/2, count/1, bytes/1]).
-export([add_object/4, objects/1]).

-export_type([held/0, request/0]).

-type request() :: {request, pid(), reference(), call | eval | exec,
                    non_neg_integer(), pyport_callers:env(), byte(),
                    timeout(),
                    Payload :: binary() | {bulk, Bytes :: pos_integer()}}.
-record(held, {
    count = 0 :: non_neg_integer(),
    bytes = 0 :: non_neg_integer(),
    %% in the order of the numbers
    requests = #{} :: #{reference() => {Number :: pos_integer(), request(),
                                        ArrivedMs :: integer()}},
    last = 0 :: non_neg_integer(),
    %% last first
    objects = [] :: [{pyport_object:kind(), pyport_object:new()}],
    counts = #{} :: #{pyport_object:kind() => pos_integer()}
}).
-opaque held() :: #held{}.

-spec new() -> held().
new() -> #held{}.

-spec add(request(), integer(), held()) -> held().
add({request, Caller, Ref, _, _, _, _, Timeout, Term} = Request, NowMs,
    #held{count = Count, bytes = Bytes, requests = All, last = Last} = Held) ->
    ok = pyport_callers:meet(Caller),
    _ = [erlang:start_timer(pyport_inflight:timeout_ms(Timeout), self(),
                            {held, Ref}) || Timeout =/= infinity],
    Held#held{count = Count + 1, bytes = Bytes + byte_size(Term),
              requests = All#{Ref => {Last + 1, Request, NowMs}},
              last = Last + 1}.

%% @doc Answers the request whose timer fired, if it is still here.
-spec expire(reference(), held()) -> held().
expire(Ref, #held{count = Count, bytes = Bytes, requests = All} = Held) ->
    case maps:take(Ref, All) of
        {{_, {request, Caller, Ref, _, _, _, _, _, Term}, _}, Others} ->
            ok = pyport_sends:behind(Caller, {Ref, error, timeout}),
            Held#held{count = Count - 1, bytes = Bytes - byte_size(Term),
                      requests = Others};
        error ->
            Held
    end.

%% @doc First come, first served, without those whose caller died. The time
%% that a request was held is time that it does not have any more.
-spec release(integer(), held()) -> [request()].
release(NowMs, #held{requests = All}) ->
    [setelement(8, Request, left(element(8, Request), NowMs - ArrivedMs))
     || {_, Request, ArrivedMs} <- lists:sort(maps:values(All)),
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
answer_all(Reason, #held{requests = All, objects = Objects}) ->
    _ = [ok = pyport_sends:behind(Caller, {Ref, error, Reason})
         || {Ref, {_, {request, Caller, _, _, _, _, _, _, _}, _}}
                <- maps:to_list(All)],
    _ = [Reply ! {Reply, {error, Reason}}
         || {_, {Reply, _, _, _}} <- Objects],
    ok.

%% @doc Keeps a new buffer or channel, or says that there are too many.
-spec add_object(pyport_object:kind(), pyport_object:new(), pos_integer(),
                 held()) -> held().
add_object(Kind, {Reply, _, _, _} = New, Max,
           #held{objects = Objects, counts = Counts} = Held) ->
    case Counts of
        #{Kind := Max} ->
            Reply ! {Reply, {error, {overloaded, Max, Max}}},
            Held;
        #{} ->
            Count = maps:get(Kind, Counts, 0),
            Held#held{objects = [{Kind, New} | Objects],
                      counts = Counts#{Kind => Count + 1}}
    end.

%% @doc First come, first served.
-spec objects(held()) -> [{pyport_object:kind(), pyport_object:new()}].
objects(#held{objects = Objects}) -> lists:reverse(Objects).
