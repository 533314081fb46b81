%% @private
%% @doc A process that delivers what Python sends to processes, for a link
%% ({@link pyport_sends} says how many there are): to decode takes time, and
%% another node may keep whoever sends to it waiting.
%%
%% It delivers in the order in which the link gives it work, ends after the
%% link, when it has delivered everything, and never crashes for a message.
%% When it has had nothing to do for a while it says so, and the link may end
%% it.
-module(pyport_courier).

-export([start_link/1, stop/1, deliver/3, pass/3, is_idle/1, delivered/1]).
-export([receiver/2, deliver_now/2, send_now/2]).
%% proc_lib
-export([init/1]).

-include_lib("kernel/include/logger.hrl").

-export_type([courier/0, receiver/0]).

-record(courier, {
    pid :: pid(),
    cells :: atomics:atomics_ref()
}).
-opaque courier() :: #courier{}.
-type work() :: {sends, Batch :: binary(), Bytes :: pos_integer()}
              | {pass, pid() | reference(), term()}.
%% A term without its version byte, and whom it names.
-type receiver() :: {To :: binary(), pid() | none}.

%% Pieces of work that are done, and bytes that were delivered.
-define(DONE, 1).
-define(BYTES, 2).
-define(GIVEN, 3).
%% What all couriers together have not told must be much less than the window
%% of the program, which is 4 MiB.
-define(STEP_BYTES, (1 bsl 16)).
-define(IDLE_MS, 1000).

%% @doc Starts a courier of the calling link, which knows it by this name.
-spec start_link(term()) -> courier().
start_link(Name) ->
    Cells = atomics:new(3, [{signed, false}]),
    Pid = proc_lib:spawn_link(?MODULE, init, [{self(), Name, Cells}]),
    #courier{pid = Pid, cells = Cells}.

%% @doc Ends it. REQUIRES: called by the link, when it is idle.
-spec stop(courier()) -> ok.
stop(#courier{pid = Pid}) ->
    true = unlink(Pid),
    Pid ! stop,
    ok.

%% @doc Gives it SENDs as they stand in a batch; they count so many bytes.
-spec deliver(binary(), pos_integer(), courier()) -> ok.
deliver(Batch, Bytes, Courier) ->
    give({sends, Batch, Bytes}, Courier).

%% @doc Gives it a message that must not come before others.
-spec pass(pid() | reference(), term(), courier()) -> ok.
pass(To, Message, Courier) ->
    give({pass, To, Message}, Courier).

-spec give(work(), courier()) -> ok.
give(Work, #courier{pid = Pid, cells = Cells}) ->
    ok = atomics:add(Cells, ?GIVEN, 1),
    Pid ! Work,
    ok.

-spec is_idle(courier()) -> boolean().
is_idle(#courier{cells = Cells}) ->
    atomics:get(Cells, ?DONE) =:= atomics:get(Cells, ?GIVEN).

%% @doc How many bytes of SENDs it has delivered.
-spec delivered(courier()) -> non_neg_integer().
delivered(#courier{cells = Cells}) -> atomics:get(Cells, ?BYTES).

-spec init({pid(), term(), atomics:atomics_ref()}) -> ok.
init({Link, Name, Cells}) ->
    _ = process_flag(trap_exit, true),
    loop(Link, Name, Cells, {<<>>, none}).

-spec loop(pid(), term(), atomics:atomics_ref(), receiver()) -> ok.
loop(Link, Name, Cells, Last0) ->
    receive
        {sends, Batch, Bytes} ->
            Last = sends(Batch, Last0),
            Before = atomics:get(Cells, ?BYTES),
            ok = atomics:put(Cells, ?BYTES, Before + Bytes),
            ok = atomics:add(Cells, ?DONE, 1),
            _ = [Link ! {sends, taken}
                 || Before div ?STEP_BYTES =/= (Before + Bytes)
                                                   div ?STEP_BYTES],
            loop(Link, Name, Cells, Last);
        {pass, To, Message} ->
            To ! Message,
            ok = atomics:add(Cells, ?DONE, 1),
            loop(Link, Name, Cells, Last0);
        stop ->
            ok;
        {'EXIT', Link, Reason} ->
            exit(Reason);
        _ ->
            loop(Link, Name, Cells, Last0)
    after ?IDLE_MS ->
        Link ! {sends, {idle, Name}},
        loop(Link, Name, Cells, {<<>>, none})
    end.

-spec sends(binary(), receiver()) -> receiver().
sends(<<Size:32, 16#B4, 0:64, ToBytes:16, To:ToBytes/binary,
        Term:(Size - 11 - ToBytes)/binary, Rest/binary>>, {To, Pid} = Last) ->
    ok = send(Pid, Term),
    sends(Rest, Last);
sends(<<_:32, 16#B4, 0:64, ToBytes:16, To:ToBytes/binary, _/binary>> = Batch,
      Last) ->
    sends(Batch, receiver(To, Last));
sends(<<>>, Last) ->
    Last.

%% @doc The pid that a term without its version byte names, or none. The one
%% before it is often the same.
-spec receiver(binary(), receiver()) -> receiver().
receiver(To, {To, _} = Last) ->
    Last;
receiver(To, _) ->
    case pyport_term:decode(<<131, To/binary>>) of
        {ok, Pid} when is_pid(Pid) -> {binary:copy(To), Pid};
        _ -> {binary:copy(To), none}
    end.

-spec send(pid() | none, binary()) -> ok.
send(none, _) ->
    lost(receiver);
send(Pid, Term) ->
    case pyport_term:decode(Term) of
        {ok, Message} ->
            Pid ! Message,
            ok;
        {error, Reason} ->
            lost(kind(Reason))
    end.

-spec kind(pyport_term:reason()) -> bad_term | too_many_atoms.
kind(bad_term) -> bad_term;
kind({Kind, _}) -> Kind.

%% Once for each kind and process.
-spec lost(atom()) -> ok.
lost(Kind) ->
    case put({lost, Kind}, true) of
        true ->
            ok;
        undefined ->
            ?LOG_WARNING(#{what => pyport_message_not_delivered,
                           reason => Kind})
    end.

%% @doc Delivers one message in the calling process, unless that would have to
%% wait for another node.
-spec deliver_now(pid() | none, binary()) -> boolean().
deliver_now(Pid, Term) when is_pid(Pid), node(Pid) =/= node() ->
    case pyport_term:decode(Term) of
        {ok, Message} -> send_now(Pid, Message);
        {error, Reason} -> ok =:= lost(kind(Reason))
    end;
deliver_now(To, Term) ->
    ok =:= send(To, Term).

%% @doc The same for any message.
-spec send_now(pid() | reference(), term()) -> boolean().
send_now(To, Message) ->
    Options = [nosuspend, noconnect], %% tidy: allow nosuspend -- not a port
    ok =:= erlang:send(To, Message, Options).
