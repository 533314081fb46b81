%% @doc Channels: messages between Erlang and Python, both ways.
%%
%% {@link new/1} answers a reference. Given to Python, as an argument or
%% anywhere within one, it is an `erlang.Channel'; when it comes back from
%% Python it is the same reference. What {@link send/2} puts in, Python
%% receives; what Python sends, {@link recv/1} takes: each direction is a
%% queue of its own. Any process may send and receive.
%%
%% ```
%% {ok, Jobs} = py_channel:new(#{max_size => 1000000}),
%% ok = py_channel:send(Jobs, {resize, <<"a.png">>}),
%% ok = py_channel:close(Jobs),
%% {ok, Results} = py:call(my_worker, run, [Jobs]).
%% '''
%%
%% == Bounds ==
%% `max_size' bounds each direction, in bytes of the external term format:
%% what is answered `ok' is delivered, what is answered `busy' is not. No send
%% waits for Python, but for {@link send/3}, which waits for room. A channel
%% without `max_size' is bounded by what all channels of an operating-system
%% process may hold together, `channel_bytes_max': beyond it every sender is
%% told `busy'.
%%
%% == Order ==
%% The messages of one process arrive in the order in which it sent them, and
%% in their place among its calls and writes to buffers. Receivers are served
%% in turn.
%%
%% == Ends ==
%% After {@link close/1} nobody can send any more, in either direction; what
%% was sent is still received. A channel belongs to the process that made it,
%% or that it was given to with {@link give_away/2}; when that dies, Python
%% receives what it sent, and nothing can be received in Erlang any more. The
%% death of the operating-system process ends a channel at once, and takes
%% along what was in it.
%%
%% The reference is known to the process of its context, under the name that
%% the node had when it was made. Elsewhere Python sees an `erlang.Ref'.
-module(py_channel).

-export([new/0, new/1, send/2, send/3, recv/1, recv/2, try_receive/1]).
-export([close/1, info/1, give_away/2, register_callbacks/0]).

-export_type([channel/0, options/0, info/0, reason/0]).

%% A reference.
-type channel() :: pyport_channel_cells:handle().
%% `max_size': bytes of each direction, 0 is no bound. `context': the channel
%% lives in the process of that context; without it, in that of the context
%% which the calling process uses in the default pool.
-type options() :: #{max_size => non_neg_integer(), context => pid()}.
%% `size' and `messages' are queued for Python, `incoming' messages for
%% Erlang.
-type info() :: pyport_channel_info:info().
-type reason() :: pyport_channel:reason().

%% @equiv new(#{})
-spec new() -> {ok, channel()} | {error, reason()}.
new() -> new(#{}).

%% @doc Makes a channel; the calling process owns it.
-spec new(options()) -> {ok, channel()} | {error, reason()}.
new(Options) -> pyport_channel_new:new(terms, self(), Options).

%% @doc Sends a term to Python. `busy': there is no room. A message of more
%% than `max_size' bytes is always `busy', one that no packet can carry
%% (`frame_bytes_max') is `too_large' whatever `max_size' is.
-spec send(channel(), term()) ->
          ok | busy
        | {error, closed | invalid_channel
                | {too_large, pos_integer(), pos_integer()}}.
send(Channel, Term) -> pyport_channel:send_term(Channel, Term).

%% @doc The same, but waits for room. The time-out is in milliseconds.
-spec send(channel(), term(), timeout()) ->
          ok
        | {error, closed | invalid_channel | timeout
                | {too_large, pos_integer(), pos_integer()}
                | {invalid_argument, atom(), binary()}}.
send(Channel, Term, Timeout) ->
    pyport_channel:send_term(Channel, Term, Timeout).

%% @equiv recv(Channel, infinity)
-spec recv(channel()) -> pyport_channel_recv:received().
recv(Channel) -> recv(Channel, infinity).

%% @doc Takes the next message of Python, or waits for it. `closed': nothing
%% more comes. `bad_term': this message cannot be decoded, and is gone.
-spec recv(channel(), timeout()) -> pyport_channel_recv:received().
recv(Channel, Timeout) -> pyport_channel_recv:recv(Channel, terms, Timeout).

%% @doc Takes the next message if there is one; else `empty'.
-spec try_receive(channel()) -> pyport_channel_recv:received().
try_receive(Channel) -> pyport_channel:at(Channel, terms, try_receive).

%% @doc Nothing can be sent any more. A channel that is closed stays as it is.
-spec close(channel()) -> ok | {error, invalid_channel}.
close(Channel) -> pyport_channel:close(Channel, terms).

%% @doc What is known of a channel: the map itself.
-spec info(channel()) -> info() | {error, closed | invalid_channel}.
info(Channel) -> pyport_channel:info(Channel, terms).

%% @doc Makes another process the owner. Only the owner may.
-spec give_away(channel(), pid()) -> ok | {error, reason()}.
give_away(Channel, NewOwner) when is_pid(NewOwner) ->
    pyport_channel:give_away(Channel, terms, self(), NewOwner);
give_away(_, _) ->
    pyport_args:invalid(owner, <<"a pid">>).

%% @doc Does nothing: there is nothing to register.
-spec register_callbacks() -> ok.
register_callbacks() -> ok.
