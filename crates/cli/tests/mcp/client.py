"""A session of the Model Context Protocol's own client with a server.

In: one JSON object on stdin: the server's command line, its directory and variables, how the version is negotiated,
and steps. Out: one JSON object on stdout: what the server said of itself, one answer for each step, what stood on its
stdout that is no frame, and how it ended. Always: structured content has been held against the tool's output schema,
by the client itself. Absent: any opinion on what is right.
"""

import json
import os
import sys
import tempfile
import time

import anyio
import mcp.client.stdio
from mcp import Client, MCPError, StdioServerParameters

# The client kills a server that is still there two seconds after its stdin was closed. How long it took is what a test
# wants to know, and a machine that builds at the same time is slow.
mcp.client.stdio.PROCESS_TERMINATION_TIMEOUT = 60.0

# A condition that does not come within this never will.
PATIENCE_SECONDS = 120

# The outer shell outlives the server and tells how it ended; the inner one becomes the server and tells its number.
WRAPPER = """sh -c 'echo $$ >"$0/number"; exec "$@"' "$0" "$@"; echo $? >"$0/code" """


class Session:
    def __init__(self, client, place, beyond):
        self.client = client
        self.place = place
        # Tasks that outlive the connection.
        self.beyond = beyond

    def cpu_seconds(self):
        """What the server has used of processors so far."""
        with open(f"{self.place}/number") as file:
            number = file.read().strip()
        with open(f"/proc/{number}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def list(self, step):
        tools, cursor = [], None
        while True:
            page = await self.client.list_tools(cursor=cursor)
            tools += [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None:
                return {"tools": tools}

    async def call(self, step):
        progress = []

        async def note(part, total, message):
            progress.append([part, total, message])
            if step.get("until_progress"):
                step["seen"].set()

        begun = time.monotonic()
        answer = {"progress": progress}
        try:
            result = await self.client.call_tool(
                step["tool"], step["arguments"], progress_callback=note if "progress" in step else None
            )
        except MCPError as error:
            answer["protocol_error"] = {"code": error.error.code, "message": error.error.message}
        except RuntimeError as error:
            answer["invalid"] = str(error)
        else:
            answer["is_error"] = result.is_error
            answer["structured"] = result.structured_content
            answer["content"] = [
                block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in result.content
            ]
        answer["seconds"] = time.monotonic() - begun
        return answer

    async def together(self, step):
        """Several calls at once; the answers in the order of the calls."""
        answers = [None] * len(step["calls"])

        async def one(place, call):
            answers[place] = await self.call(call)

        async with anyio.create_task_group() as group:
            for place, call in enumerate(step["calls"]):
                group.start_soon(one, place, call)
        return {"answers": answers}

    async def follow(self, step):
        """A call, and what its answer says to call next, until the answer is there."""
        answers, call = [], {"tool": step["tool"], "arguments": step["arguments"]}
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                answer = await self.call(call)
                answers.append(answer)
                following = (answer.get("structured") or {}).get("next")
                if following is None:
                    return {"answers": answers}
                call = {"tool": following["tool"], "arguments": following["arguments"]}
                # What it says is meant for people's logs; these are small.
                await anyio.sleep(0.1)

    async def abandon(self, step):
        """A call that is given up once it has told of progress; the client then says so to the server. Waits until the
        server has come to rest."""
        step = step | {"progress": True, "until_progress": True, "seen": anyio.Event()}
        async with anyio.create_task_group() as group:
            group.start_soon(self.call, step)
            with anyio.fail_after(PATIENCE_SECONDS):
                await step["seen"].wait()
            group.cancel_scope.cancel()
        return {"seconds_to_rest": await self.rest()}

    async def rest(self):
        """How long the server goes on working: until it has used next to nothing for half a second."""
        begun = time.monotonic()
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                since, used = time.monotonic(), self.cpu_seconds()
                await anyio.sleep(0.5)
                if self.cpu_seconds() - used < 0.05:
                    return since - begun

    async def leave(self, step):
        """The last step: a call that has told of progress and is still under way when the client goes away. Nothing is
        said to the server; its stdin is closed, and that is all."""
        step = step | {"progress": True, "until_progress": True, "seen": anyio.Event()}
        self.beyond.start_soon(self.call, step)
        with anyio.fail_after(PATIENCE_SECONDS):
            await step["seen"].wait()


async def main():
    script = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as place:
        answers, noise, said = [], [], {}

        async def note(message):
            if isinstance(message, Exception):
                noise.append(repr(message))

        server = StdioServerParameters(
            command="sh",
            args=["-c", WRAPPER, place, *script["command"]],
            env=script["env"],
            cwd=script["directory"],
        )
        async with anyio.create_task_group() as beyond:
            async with Client(server, mode=script["mode"], message_handler=note) as client:
                said["protocol"] = client.protocol_version
                said["server"] = client.server_info.model_dump(mode="json", exclude_none=True)
                said["instructions"] = client.instructions
                said["capabilities"] = client.server_capabilities.model_dump(mode="json", exclude_none=True)
                session = Session(client, place, beyond)
                for step in script["steps"]:
                    answers.append(await getattr(session, step["do"])(step))
                left_at = time.monotonic()
            ended = {"seconds": time.monotonic() - left_at, "code": None}
        if os.path.exists(f"{place}/code"):
            with open(f"{place}/code") as file:
                ended["code"] = int(file.read())
        json.dump({"said": said, "answers": answers, "noise": noise, "ended": ended}, sys.stdout)


anyio.run(main)
