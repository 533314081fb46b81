%% @private
%% @doc A private directory (mode 0700) under the directory for temporary
%% files, for the moment in which a program connects its standard streams.
-module(pyport_tmp).

-export([create/1, remove/1, default/0]).

-export_type([reason/0]).

-type reason() :: {tmp_dir, file:filename_all(), file:posix() | atom()}.

-define(NAME_ATTEMPTS_MAX, 8).
-define(RANDOM, "/dev/urandom").
%% 8 bytes are 13 digits at most to the base 36.
-define(NAME_BYTES, 8).
-define(NAME_CHARS, 13).
%% sun_path has 108 bytes on Linux and 104 elsewhere; 27 follow, and a NUL.
-define(PATH_BYTES_MAX, 76).

%% @doc The operating system's choice: `TMPDIR', or `/tmp'.
-spec default() -> file:filename_all().
default() ->
    case os:getenv("TMPDIR") of
        false -> "/tmp";
        "" -> "/tmp";
        Dir -> Dir
    end.

%% @doc Makes a new directory that only this user can enter.
-spec create(file:filename_all()) ->
          {ok, file:filename_all()} | {error, reason()}.
create(Base) ->
    case byte_size(unicode:characters_to_binary(Base)) > ?PATH_BYTES_MAX of
        true -> {error, {tmp_dir, Base, enametoolong}};
        false -> create(Base, ?NAME_ATTEMPTS_MAX)
    end.

-spec create(file:filename_all(), non_neg_integer()) ->
          {ok, file:filename_all()} | {error, reason()}.
create(Base, 0) ->
    {error, {tmp_dir, Base, eexist}};
create(Base, Attempts) ->
    Dir = filename:join(Base, name()),
    case file:make_dir(Dir) of
        ok ->
            private(Base, Dir);
        {error, eexist} ->
            create(Base, Attempts - 1);
        {error, Posix} ->
            {error, {tmp_dir, Base, Posix}}
    end.

%% Between the two system calls others may list the directory; it is empty.
-spec private(file:filename_all(), file:filename_all()) ->
          {ok, file:filename_all()} | {error, reason()}.
private(Base, Dir) ->
    case file:change_mode(Dir, 8#700) of
        ok ->
            {ok, Dir};
        {error, Posix} ->
            _ = file:del_dir(Dir),
            {error, {tmp_dir, Base, Posix}}
    end.

%% Nobody who shares the directory can take the names before us.
-spec name() -> nonempty_string().
name() ->
    Random = binary:decode_unsigned(random()),
    lists:flatten(io_lib:format("pyport-~*..0s",
                                [?NAME_CHARS, integer_to_list(Random, 36)])).

-spec random() -> binary().
random() ->
    case file:open(?RANDOM, [read, raw, binary]) of
        {ok, Device} ->
            Read = file:read(Device, ?NAME_BYTES),
            ok = file:close(Device),
            random(Read);
        {error, _} = Error ->
            random(Error)
    end.

%% Where there is no such device names are merely different.
-spec random({ok, binary()} | eof | {error, term()}) -> binary().
random({ok, <<Bytes:?NAME_BYTES/binary>>}) -> Bytes;
random(_) -> rand:bytes(?NAME_BYTES).

%% @doc Removes the directory and the named files in it; what is gone
%% already is no error.
-spec remove({file:filename_all(), [file:filename_all()]}) -> ok.
remove({Dir, Names}) ->
    _ = [file:delete(filename:join(Dir, Name)) || Name <- Names],
    _ = file:del_dir(Dir),
    ok.
