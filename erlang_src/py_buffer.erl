%% @doc Buffers: a stream of bytes that Erlang writes and Python reads.
%%
%% == Writing ==
%% {@link new/1} answers a reference. Given to Python, as an argument or
%% anywhere within one, it is an `erlang.PyBuffer', a file object that reads
%% what {@link write/2} brings, also while the writer goes on. When it comes
%% back from Python it is the same reference. Any process may write.
%%
%% ```
%% {ok, Body} = py_buffer:new(),
%% ok = py_buffer:write(Body, <<"a,b\n1,2\n">>),
%% ok = py_buffer:close(Body),
%% {ok, Rows} = py:call(my_csv, rows, [Body]).
%% '''
%%
%% == Flow control ==
%% A write that is more than the reader has room for waits until there is
%% room. How much is on its way is bounded by the `window' of the buffer, on
%% both sides. A reader that does not come while somebody waits has the
%% content go to a file.
%%
%% The writes of one process arrive in their order. Those of several are
%% mixed by pieces: a write of at most 128 KiB that does not have to wait is
%% one piece.
%%
%% == Ends ==
%% {@link close/1} says that the content is whole. A buffer belongs to the
%% process that made it, or that it was given to with {@link give_away/2};
%% when that dies the buffer is dropped, and one that was not closed is cut
%% off: its reader gets an `OSError'. So it is when one process closes it
%% while another is in the middle of a write. The death of the
%% operating-system process ends a buffer for its writers, and takes along
%% what it had not read yet.
%%
%% The reference is known to the process of its context, under the name that
%% the node had when it was made. Elsewhere, and after `net_kernel:start/1'
%% gave the node another name, Python sees an `erlang.Ref'.
-module(py_buffer).

-export([new/0, new/1, write/2, close/1, info/1, give_away/2]).

-export_type([buffer/0, options/0, info/0, reason/0]).

%% A reference.
-type buffer() :: pyport_cells:handle().
%% `content_length': the content has exactly so many bytes. `retain': what
%% stays once it was read; `all' is the default when the length is announced.
%% `context': the buffer lives in the process of that context; without it, in
%% that of the context which the calling process uses in the default pool.
-type options() :: #{content_length => non_neg_integer() | undefined,
                     max_size => non_neg_integer() | infinity,
                     overflow_threshold => non_neg_integer(),
                     retain => all | unread,
                     window => pos_integer(),
                     context => pid()}.
%% `unread' bytes are those that the reader has not taken, `kept' those that
%% it can still go back to and read.
-type info() :: #{written := non_neg_integer(),
                  read := non_neg_integer() | undefined,
                  unread := non_neg_integer() | undefined,
                  kept := non_neg_integer() | undefined,
                  state := atom(),
                  content_length := non_neg_integer() | undefined,
                  max_size := non_neg_integer() | infinity,
                  memory_bytes := non_neg_integer(),
                  file_bytes := non_neg_integer(),
                  owner := pid() | undefined}.
-type reason() :: pyport_buffer:reason().

%% @equiv new(undefined)
-spec new() -> {ok, buffer()} | {error, reason()}.
new() ->
    new(undefined).

%% @doc Makes a buffer; the calling process owns it.
-spec new(undefined | non_neg_integer() | options()) ->
          {ok, buffer()} | {error, reason()}.
new(undefined) ->
    pyport_buffer_new:new(self(), #{});
new(Length) when is_integer(Length) ->
    pyport_buffer_new:new(self(), #{content_length => Length});
new(Options) when is_map(Options) ->
    pyport_buffer_new:new(self(), Options);
new(_) ->
    pyport_args:invalid(options, <<"undefined, a length or a map">>).

%% @doc Appends bytes; waits while the reader has no room for them. `ok' says
%% that they are on their way.
%%
%% `closed': by {@link close/1}, by Python, or with its owner. `no_space': the
%% content cannot be stored. With both a part of the write may have arrived.
%% `too_large': beyond `max_size' or
%% `content_length'; nothing of it was written. `writer_limit': 1,024
%% processes wait already.
-spec write(buffer(), iodata()) -> ok | {error, reason()}.
write(Buffer, Data) ->
    pyport_buffer:write(Buffer, Data).

%% @doc Says that the content is whole. A buffer that is closed, or whose
%% reader or process is gone, stays as it is.
-spec close(buffer()) -> ok | {error, reason()}.
close(Buffer) ->
    pyport_buffer:close(Buffer).

%% @doc What is known of a buffer: the map itself. When the program has
%% forgotten the buffer, or is gone, `read', `unread' and `kept' are
%% `undefined'; in the second case the state is `context_died'.
-spec info(buffer()) -> info() | {error, reason()}.
info(Buffer) ->
    pyport_buffer:info(Buffer).

%% @doc Makes another process the owner. Only the owner may.
-spec give_away(buffer(), pid()) -> ok | {error, reason()}.
give_away(Buffer, NewOwner) when is_pid(NewOwner) ->
    pyport_buffer:give_away(Buffer, self(), NewOwner);
give_away(_, _) ->
    pyport_args:invalid(owner, <<"a pid">>).
