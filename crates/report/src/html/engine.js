// Stands in until the engine is here: no cube can be read.
"use strict";
const Borehole = { open: async () => { throw new Error("this page cannot read its cube"); } };
