%% @private
%% @doc The process that delivers what Python sends to processes, one for each
%% link: to decode takes time, and a process of another node may keep whoever
%% sends to it waiting.
%%
%% It delivers in the order in which the link gives it work, ends after the
%% link, when it has delivered everything, and never crashes for a message.
-module(pyport_courier).

-export([start_link/0, deliver/3, pass/3, is_idle/1, delivered/1]).
-export([deliver_now/2]).
%% proc_lib
-export([init/1]).

-include_lib("kernel/include/logger.hrl").

-export_type([courier/0]).

-record(courier, {
    pid :: pid(),
    cells :: atomics:atomics_ref()
}).
-opaque courier() :: #courier{}.
-type work() :: {sends, Batch :: binary(), Bytes :: pos_integer()}
              | {pass, pid() | reference(), term()}.
%% The term of the last receiver, and whom it names: it is often the same.
-type last() :: {To :: binary(), pid() | none}.

%% Pieces of work that are done, and bytes that were delivered.
-define(DONE, 1).
-define(BYTES, 2).
-define(GIVEN, 3).
-define(STEP_BYTES, (1 bsl 20)).

%% @doc Starts the courier of the calling link.
-spec start_link() -> courier().
start_link() ->
    Cells = atomics:new(3, [{signed, false}]),
    Pid = proc_lib:spawn_link(?MODULE, init, [{self(), Cells}]),
    #courier{pid = Pid, cells = Cells}.

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

-spec init({pid(), atomics:atomics_ref()}) -> no_return().
init({Link, Cells}) ->
    _ = process_flag(trap_exit, true),
    loop(Link, Cells, {<<>>, none}).

-spec loop(pid(), atomics:atomics_ref(), last()) -> no_return().
loop(Link, Cells, Last0) ->
    receive
        {sends, Batch, Bytes} ->
            Last = sends(Batch, Last0),
            Before = atomics:get(Cells, ?BYTES),
            ok = atomics:put(Cells, ?BYTES, Before + Bytes),
            ok = atomics:add(Cells, ?DONE, 1),
            _ = [Link ! {sends, taken}
                 || Before div ?STEP_BYTES =/= (Before + Bytes)
                                                   div ?STEP_BYTES],
            loop(Link, Cells, Last);
        {pass, To, Message} ->
            To ! Message,
            ok = atomics:add(Cells, ?DONE, 1),
            loop(Link, Cells, Last0);
        {'EXIT', Link, Reason} ->
            exit(Reason);
        _ ->
            loop(Link, Cells, Last0)
    end.

-spec sends(binary(), last()) -> last().
sends(<<Size:32, 16#B4, 0:64, ToBytes:16, To:ToBytes/binary,
        Term:(Size - 11 - ToBytes)/binary, Rest/binary>>, {To, Pid} = Last) ->
    ok = send(Pid, Term),
    sends(Rest, Last);
sends(<<_:32, 16#B4, 0:64, ToBytes:16, To:ToBytes/binary, _/binary>> = Batch,
      _) ->
    sends(Batch, {binary:copy(To), receiver(To)});
sends(<<>>, Last) ->
    Last.

%% @doc The pid that a term without its version byte names, or none.
-spec receiver(binary()) -> pid() | none.
receiver(To) ->
    case pyport_term:decode(<<131, To/binary>>) of
        {ok, Pid} when is_pid(Pid) ->
            Pid;
        _ ->
            ok = lost(receiver),
            none
    end.

-spec send(pid() | none, binary()) -> ok.
send(none, _) ->
    ok;
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

%% @doc Delivers one message in the calling process.
-spec deliver_now(binary(), binary()) -> ok.
deliver_now(To, Term) -> send(receiver(To), Term).
