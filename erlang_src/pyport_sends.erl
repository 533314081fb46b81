%% @private
%% @doc What Python sends to processes, in the link: a single small message is
%% delivered at once, everything else by a courier, behind which nothing
%% small goes either while it is at work. So the messages of Python arrive in
%% their order, and the answer to a call behind what was sent before it to
%% processes of its node.
%%
%% A node that does not read holds up whoever sends to it. So there is a
%% courier for this node, which nothing holds up, and one for each other node
%% that gets something just now; the link itself never waits for a node. A
%% courier that has had nothing to do for a while ends. Beyond so many
%% couriers the nodes that are left share one.
%%
%% State in the dictionary of the link: `sends'.
-module(pyport_sends).

-export([run/1, one/2, behind/2, command/1, gone/0]).

-export_type([command/0]).

-type command() :: taken | {idle, place()}.
-type place() :: local | others | node().

-record(route, {
    courier :: pyport_courier:courier(),
    %% bytes that it was given, and before this program started
    given = 0 :: non_neg_integer(),
    base = 0 :: non_neg_integer()
}).
-record(sends, {
    routes = #{} :: #{place() => #route{}},
    %% who got the last message
    receiver = {<<>>, none} :: pyport_courier:receiver(),
    %% bytes of this program that the link has delivered, or couriers that
    %% ended, and those that the program was told of
    own = 0 :: non_neg_integer(),
    told = 0 :: non_neg_integer()
}).

%% What a message takes beside receiver and term: operation, 0, length.
-define(HEADER_BYTES, 11).
-define(LENGTH_BYTES, 4).
-define(AT_ONCE_MAX, 512).
-define(STEP_BYTES, (1 bsl 20)).
-define(COURIERS_MAX, 16).

%% @doc Takes the SENDs that a batch begins with. Count 0: there are none.
-spec run(binary()) ->
          {Count :: non_neg_integer(), Rest :: binary(),
           [pyport_objects:effect()]}.
run(<<Size:32, 16#B4, 0:64, ToBytes:16, To:ToBytes/binary,
      Term:(Size - ?HEADER_BYTES - ToBytes)/binary, Rest/binary>> = Batch) ->
    case Rest of
        <<_:32, 16#B4, _/binary>> ->
            {Count, Others, Sends} = spread(Batch, 0, sends()),
            {Count, Others, told(Sends)};
        _ ->
            {1, Rest, one(To, Term)}
    end;
run(Batch) ->
    {0, Batch, []}.

%% Gives each courier what is for its node, in runs.
-spec spread(binary(), non_neg_integer(), #sends{}) ->
          {non_neg_integer(), binary(), #sends{}}.
spread(Batch, Total, #sends{receiver = Receiver0} = Sends) ->
    case walk(Batch, none, 0, Receiver0) of
        {0, _, _, _} ->
            {Total, Batch, Sends};
        {Count, Node, Rest, Receiver} ->
            Run = binary:part(Batch, 0, byte_size(Batch) - byte_size(Rest)),
            spread(Rest, Total + Count,
                   give(Node, Run, Count, Sends#sends{receiver = Receiver}))
    end.

-spec walk(binary(), node() | none, non_neg_integer(),
           pyport_courier:receiver()) ->
          {Count :: non_neg_integer(), node() | none, Rest :: binary(),
           pyport_courier:receiver()}.
walk(<<_:32, 16#B4, 0:64, ToBytes:16, To:ToBytes/binary, _/binary>> = Batch,
     Node0, Count0, Receiver0) ->
    {_, Pid} = Receiver = pyport_courier:receiver(To, Receiver0),
    Node = node_of(Pid),
    case same(Batch, To, 0) of
        {Count, Rest} when Count > 0, Node0 =:= none;
                           Count > 0, Node0 =:= Node ->
            walk(Rest, Node, Count0 + Count, Receiver);
        _ ->
            {Count0, Node0, Batch, Receiver}
    end;
walk(Rest, Node, Count, Receiver) ->
    {Count, Node, Rest, Receiver}.

-spec same(binary(), binary(), non_neg_integer()) ->
          {non_neg_integer(), binary()}.
same(<<Size:32, 16#B4, 0:64, ToBytes:16, To:ToBytes/binary,
       _:(Size - ?HEADER_BYTES - ToBytes)/binary, Rest/binary>>, To, Count) ->
    same(Rest, To, Count + 1);
same(Rest, _, Count) ->
    {Count, Rest}.

%% @doc One message alone.
-spec one(binary(), binary()) -> [pyport_objects:effect()].
one(To, Term) ->
    #sends{routes = Routes, receiver = Receiver0, own = Own} = Sends0 = sends(),
    {_, Pid} = Receiver = pyport_courier:receiver(To, Receiver0),
    Sends = Sends0#sends{receiver = Receiver},
    Bytes = byte_size(To) + byte_size(Term) + ?HEADER_BYTES,
    IsNow = Bytes =< ?AT_ONCE_MAX
        andalso is_idle(place(node_of(Pid), Routes), Routes)
        andalso pyport_courier:deliver_now(Pid, Term),
    case IsNow of
        true ->
            told(Sends#sends{own = Own + Bytes});
        false ->
            Entry = <<Bytes:32, 16#B4, 0:64, (byte_size(To)):16, To/binary,
                      Term/binary>>,
            told(give(node_of(Pid), Entry, 1, Sends))
    end.

%% @doc Delivers something else behind what is on its way to that node.
-spec behind(pid() | reference(), term()) -> ok.
behind(To, Message) when node(To) =:= node() ->
    case get(sends) of
        #sends{routes = #{local := #route{courier = Courier}}} ->
            case pyport_courier:is_idle(Courier) of
                true ->
                    To ! Message,
                    ok;
                false ->
                    pyport_courier:pass(To, Message, Courier)
            end;
        _ ->
            To ! Message,
            ok
    end;
behind(To, Message) ->
    #sends{routes = Routes} = Sends = sends(),
    Place = place(node(To), Routes),
    case is_idle(Place, Routes)
             andalso pyport_courier:send_now(To, Message) of
        true ->
            ok;
        false ->
            #route{courier = Courier} = Route = route(Place, Routes),
            ok = pyport_courier:pass(To, Message, Courier),
            set(Sends#sends{routes = Routes#{Place => Route}})
    end.

%% @doc A courier has delivered much, or has had nothing to do for a while.
-spec command(command()) -> [pyport_objects:effect()].
command(taken) ->
    told(sends());
command({idle, Place}) ->
    #sends{routes = Routes, own = Own} = Sends = sends(),
    case Routes of
        #{Place := #route{courier = Courier} = Route} ->
            case pyport_courier:is_idle(Courier) of
                true ->
                    ok = pyport_courier:stop(Courier),
                    told(Sends#sends{routes = maps:remove(Place, Routes),
                                     own = Own + taken_of(Route)});
                false ->
                    []
            end;
        _ ->
            []
    end.

%% couriers

-spec node_of(pid() | none) -> node().
node_of(none) -> node(); %% who delivers it says so
node_of(Pid) -> node(Pid).

%% Who delivers to a node. What waits with the courier that several share
%% must not be overtaken by one of its own.
-spec place(node(), #{place() => #route{}}) -> place().
place(Node, _) when Node =:= node() ->
    local;
place(Node, Routes) when is_map_key(Node, Routes) ->
    Node;
place(Node, Routes) ->
    case is_idle(others, Routes)
             andalso map_size(Routes) < ?COURIERS_MAX of
        true -> Node;
        false -> others
    end.

-spec is_idle(place(), #{place() => #route{}}) -> boolean().
is_idle(Place, Routes) ->
    case Routes of
        #{Place := #route{courier = Courier}} ->
            pyport_courier:is_idle(Courier);
        _ ->
            true
    end.

-spec route(place(), #{place() => #route{}}) -> #route{}.
route(Place, Routes) ->
    case Routes of
        #{Place := Route} -> Route;
        _ -> #route{courier = pyport_courier:start_link(Place)}
    end.

-spec give(node(), binary(), pos_integer(), #sends{}) -> #sends{}.
give(Node, Batch, Count, #sends{routes = Routes} = Sends) ->
    Place = place(Node, Routes),
    #route{courier = Courier, given = Given} = Route = route(Place, Routes),
    Bytes = byte_size(Batch) - ?LENGTH_BYTES * Count,
    ok = pyport_courier:deliver(Batch, Bytes, Courier),
    Sends#sends{routes = Routes#{Place => Route#route{given = Given + Bytes}}}.

%% what is told

-spec told(#sends{}) -> [pyport_objects:effect()].
told(#sends{told = Told} = Sends) ->
    case taken(Sends) of
        Taken when Taken - Told >= ?STEP_BYTES ->
            ok = set(Sends#sends{told = Taken}),
            [{link, pyport_wire_channel:messages_taken(Taken)}];
        _ ->
            ok = set(Sends),
            []
    end.

%% Of what arrived from this program.
-spec taken(#sends{}) -> non_neg_integer().
taken(#sends{routes = Routes, own = Own}) ->
    maps:fold(fun(_, Route, Sum) -> Sum + taken_of(Route) end, Own, Routes).

-spec taken_of(#route{}) -> non_neg_integer().
taken_of(#route{courier = Courier, base = Base}) ->
    max(0, pyport_courier:delivered(Courier) - Base).

%% @doc The program is gone; what it has sent is delivered.
-spec gone() -> ok.
gone() ->
    case get(sends) of
        undefined ->
            ok;
        #sends{routes = Routes} = Sends ->
            Based = maps:map(fun(_, #route{given = Given} = Route) ->
                                 Route#route{base = Given}
                             end, Routes),
            set(Sends#sends{routes = Based, own = 0, told = 0})
    end.

-spec sends() -> #sends{}.
sends() ->
    case get(sends) of
        undefined -> #sends{};
        Sends -> Sends
    end.

-spec set(#sends{}) -> ok.
set(Sends) ->
    _ = put(sends, Sends),
    ok.
