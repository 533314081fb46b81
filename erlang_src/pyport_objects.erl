%% @private
%% @doc What a link knows beside requests: buffers, channels, and processes
%% that Python sends to. State and effects are those of {@link
%% pyport_buffers}, {@link pyport_channels}, {@link pyport_sends} and {@link
%% pyport_processes}, all in the dictionary of the link.
-module(pyport_objects).

-export([limits/1, make/4, command/2, event/1]).
-export([down/1, gone/1, answer_waiters/1]).

-export_type([effect/0, limits/0]).

-type limits() :: #{pyport_object:kind() := pos_integer()}.

%% A message for the program, with its length before it, and its lane.
-type effect() :: {link | lane, iodata()}.

%% @doc How many there may be of each kind.
-spec limits(pyport_link:options()) -> limits().
limits(#{buffers_max := Buffers, channels_max := Channels}) ->
    #{buffers => Buffers, channels => Channels}.

%% @doc Names a new object, unless there are too many.
-spec make(pyport_object:kind(), pyport_object:new(), pyport_lanes:key(),
           pos_integer()) -> {ok, [iodata(), ...]} | error.
make(Kind, New, Key, Max) ->
    Module = case Kind of
                 buffers -> pyport_buffers;
                 channels -> pyport_channels
             end,
    Module:new(New, Key, Max).

%% @doc What a process asks, or a courier says.
-spec command(buffer | channel | sends,
              pyport_buffers:command() | pyport_channels:command()
              | pyport_sends:command()) ->
          [{link, [iodata(), ...]}].
command(buffer, Command) -> pyport_buffers:command(Command);
command(channel, Command) -> pyport_channels:command(Command);
command(sends, Command) -> pyport_sends:command(Command).

%% @doc What the program says, if it is about any of them.
-spec event(pyport_wire:answer() | term()) -> {ok, [effect()]} | error.
event({buffer, Number, Event}) ->
    ok = pyport_buffers:event(Number, Event),
    {ok, []};
event({channel, Number, Event}) ->
    {ok, pyport_channels:event(Number, Event)};
event({pressure, IsOn}) ->
    ok = pyport_channels:pressure(IsOn),
    {ok, []};
event({send, To, Term}) ->
    {ok, pyport_sends:one(To, Term)};
event({watch, Key, Pid}) ->
    {ok, pyport_processes:watch(Key, Pid)};
event({unwatch, Key}) ->
    ok = pyport_processes:unwatch(Key),
    {ok, []};
event(_) ->
    error.

%% @doc A process died.
-spec down(pid()) -> [effect()].
down(Pid) ->
    Left = pyport_writers:down(Pid),
    pyport_buffers:down(Pid, Left) ++ pyport_channels:down(Pid, Left)
        ++ pyport_processes:down(Pid).

%% @doc The program is gone, and with it what it had.
-spec gone(pyport_lanes:key() | none) -> ok.
gone(Key) ->
    ok = pyport_buffers:gone(),
    ok = pyport_channels:gone(Key),
    ok = pyport_sends:gone(),
    pyport_processes:gone().

%% @doc It is known of what the program died.
-spec answer_waiters(term()) -> ok.
answer_waiters(Reason) -> pyport_buffers:answer_waiters(Reason).
